"""What is frozen: the tree that firmware.build has laid out, which is edgeturn's part for MicroPython and boot."""

freeze("$(MICROPY_FROZEN)", opt=3)  # noqa: F821
