// What MicroPython asks of the system: output, clocks and random bytes.

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "py/mphal.h"
#include "py/mpprint.h"
#include "py/runtime.h"

static void write_all(int descriptor, const char *text, size_t size) {
	while (size) {
		ssize_t written = write(descriptor, text, size);

		if (written < 0 && errno != EINTR)
			return;
		if (written > 0) {
			text += written;
			size -= written;
		}
	}
}

static void print_error(void *unused, const char *text, size_t size) {
	(void)unused;
	write_all(STDERR_FILENO, text, size);
}

const mp_print_t mp_stderr_print = {NULL, print_error};

mp_uint_t mp_hal_stdout_tx_strn(const char *text, size_t size) {
	write_all(STDOUT_FILENO, text, size);
	return size;
}

void mp_hal_stdout_tx_strn_cooked(const char *text, size_t size) {
	write_all(STDOUT_FILENO, text, size);
}

void mp_hal_stdout_tx_str(const char *text) {
	write_all(STDOUT_FILENO, text, strlen(text));
}

static uint64_t nanoseconds(clockid_t clock) {
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

mp_uint_t mp_hal_ticks_ms(void) {
	return nanoseconds(CLOCK_MONOTONIC) / 1000000;
}

mp_uint_t mp_hal_ticks_us(void) {
	return nanoseconds(CLOCK_MONOTONIC) / 1000;
}

uint64_t mp_hal_time_ns(void) {
	return nanoseconds(CLOCK_REALTIME);
}

void mp_hal_delay_ms(mp_uint_t milliseconds) {
	struct timespec time = {milliseconds / 1000, milliseconds % 1000 * 1000000};

	while (nanosleep(&time, &time) < 0 && errno == EINTR)
		mp_handle_pending(true);
}

// getrandom(2) and no device: a jail has no /dev.
void mp_hal_get_random(size_t size, void *buffer) {
	size_t done = 0;

	while (done < size) {
		ssize_t got = getrandom((char *)buffer + done, size - done, 0);

		if (got < 0 && errno != EINTR)
			mp_raise_OSError(errno);
		done += got > 0 ? got : 0;
	}
}

#if MICROPY_PY_SSL
int mbedtls_hardware_poll(void *unused, unsigned char *output, size_t size, size_t *done);

int mbedtls_hardware_poll(void *unused, unsigned char *output, size_t size, size_t *done) {
	(void)unused;
	mp_hal_get_random(size, output);
	*done = size;
	return 0;
}
#endif
