# The C module _edgeturn, as MicroPython's USER_C_MODULES finds it.

EDGETURN_NATIVE := $(USERMOD_DIR)
SRC_USERMOD += $(addprefix $(EDGETURN_NATIVE)/, module.c batches.c calls.c digests.c hashes.c datagrams.c memory.c messages.c poller.c sealed.c signals.c table.c)
CFLAGS_USERMOD += -I$(EDGETURN_NATIVE)
