// Signals: what arrives is noted, and makes a descriptor ready; Python asks for it when it gets there.

#include <errno.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "edgeturn.h"

static volatile sig_atomic_t caught[64];
static int descriptor = -1;

static void note(int number)
{
	static const uint64_t one = 1;
	int error = errno;
	ssize_t written;

	caught[number] = 1;
	written = write(descriptor, &one, sizeof(one)); // fails only where it is ready already
	(void)written;
	errno = error;
}

// catch_signals(numbers) -> descriptor that is ready once one came
static mp_obj_t edgeturn_catch_signals(mp_obj_t numbers)
{
	struct sigaction action = { .sa_handler = note, .sa_flags = SA_RESTART };
	mp_obj_t *number;
	size_t count, i;

	if (descriptor < 0)
		descriptor = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (descriptor < 0)
		mp_raise_OSError(errno);
	mp_obj_get_array(numbers, &count, &number);
	for (i = 0; i < count; i++) {
		mp_int_t signal = mp_obj_get_int(number[i]);

		if (signal <= 0 || signal >= (mp_int_t)MP_ARRAY_SIZE(caught) || sigaction(signal, &action, NULL) < 0)
			mp_raise_OSError(EINVAL);
	}
	return mp_obj_new_int(descriptor);
}
MP_DEFINE_CONST_FUN_OBJ_1(edgeturn_catch_signals_obj, edgeturn_catch_signals);

// caught_signals() -> list of the numbers that came since the last call; the descriptor isn't ready any longer
static mp_obj_t edgeturn_caught_signals(void)
{
	mp_obj_t list = mp_obj_new_list(0, NULL);
	uint64_t times;
	ssize_t taken = read(descriptor, &times, sizeof(times)); // first, so that what comes now is not lost
	size_t i;

	(void)taken;
	for (i = 0; i < MP_ARRAY_SIZE(caught); i++)
		if (caught[i]) {
			caught[i] = 0;
			mp_obj_list_append(list, MP_OBJ_NEW_SMALL_INT(i));
		}
	return list;
}
MP_DEFINE_CONST_FUN_OBJ_0(edgeturn_caught_signals_obj, edgeturn_caught_signals);
