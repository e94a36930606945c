// The C library's functions by name. The rows are those of edgeturn/seam/calls.py, where the rules are.

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "edgeturn.h"

enum { MOST_ARGUMENTS = 6 };

// What a function returns, and by what it says that it failed.
enum kind { INTEGER, LONG, UNSIGNED, POSITIVE };

// Every function of ours takes its arguments in registers or places on the stack that are one long each, so it may be
// called with six of them, whatever it takes.
typedef long function(long, long, long, long, long, long);

struct row {
	qstr_short_t name;
	uint8_t kind;
	void *function;
};

#define ROW(name, kind) { MP_QSTR_##name, kind, (void *)name }

static const struct row rows[] = {
	ROW(accept, INTEGER),
	ROW(access, INTEGER),
	ROW(bind, INTEGER),
	ROW(chdir, INTEGER),
	ROW(chmod, INTEGER),
	ROW(chown, INTEGER),
	ROW(chroot, INTEGER),
	ROW(clock_gettime, INTEGER),
	ROW(close, INTEGER),
	ROW(connect, INTEGER),
	ROW(dup2, INTEGER),
	ROW(execve, INTEGER),
	ROW(fchmod, INTEGER),
	ROW(fchown, INTEGER),
	ROW(fcntl, INTEGER),
	ROW(flock, INTEGER),
	ROW(fork, INTEGER),
	ROW(fsync, INTEGER),
	ROW(getpeername, INTEGER),
	ROW(getrlimit, INTEGER),
	ROW(getsockname, INTEGER),
	ROW(getsockopt, INTEGER),
	ROW(ioctl, INTEGER),
	ROW(isatty, INTEGER),
	ROW(kill, INTEGER),
	ROW(lchown, INTEGER),
	ROW(link, INTEGER),
	ROW(listen, INTEGER),
	ROW(mkdir, INTEGER),
	ROW(mount, INTEGER),
	ROW(open, INTEGER),
	ROW(pipe2, INTEGER),
	ROW(prctl, INTEGER),
	ROW(rename, INTEGER),
	ROW(rmdir, INTEGER),
	ROW(setgid, INTEGER),
	ROW(setgroups, INTEGER),
	ROW(setns, INTEGER),
	ROW(setpgid, INTEGER),
	ROW(setrlimit, INTEGER),
	ROW(setsid, INTEGER),
	ROW(setsockopt, INTEGER),
	ROW(setuid, INTEGER),
	ROW(shutdown, INTEGER),
	ROW(socket, INTEGER),
	ROW(socketpair, INTEGER),
	ROW(symlink, INTEGER),
	ROW(umask, INTEGER),
	ROW(umount2, INTEGER),
	ROW(uname, INTEGER),
	ROW(unlink, INTEGER),
	ROW(unshare, INTEGER),
	ROW(waitpid, INTEGER),
	ROW(read, LONG),
	ROW(readlink, LONG),
	ROW(recv, LONG),
	ROW(recvfrom, LONG),
	ROW(recvmsg, LONG),
	ROW(send, LONG),
	ROW(sendmsg, LONG),
	ROW(sendto, LONG),
	ROW(syscall, LONG),
	ROW(sysconf, LONG),
	ROW(write, LONG),
	ROW(getegid, UNSIGNED),
	ROW(geteuid, UNSIGNED),
	ROW(getgid, UNSIGNED),
	ROW(getpid, UNSIGNED),
	ROW(getppid, UNSIGNED),
	ROW(getuid, UNSIGNED),
	ROW(if_nametoindex, POSITIVE),
};

static const struct row *find(qstr name)
{
	size_t i;

	for (i = 0; i < MP_ARRAY_SIZE(rows); i++)
		if (rows[i].name == name)
			return &rows[i];
	mp_raise_type_arg(&mp_type_KeyError, MP_OBJ_NEW_QSTR(name));
}

// Text and buffers become their address; MicroPython keeps a zero behind text and bytes.
static long argument(mp_obj_t value)
{
	if (value == mp_const_none)
		return 0;
	if (mp_obj_is_int(value) || mp_obj_is_bool(value))
		return mp_obj_get_int_truncated(value);
	return (long)buffer_of(value, MP_BUFFER_READ).buf;
}

static mp_obj_t result_of(enum kind kind, long result)
{
	bool failed = kind == POSITIVE ? (unsigned int)result == 0 : result == -1;

	if (kind == INTEGER)
		failed = (int)result == -1;
	if (failed && kind != UNSIGNED)
		mp_raise_OSError(errno);
	if (kind == LONG)
		return mp_obj_new_int(result);
	return kind == INTEGER ? mp_obj_new_int((int)result) : mp_obj_new_int_from_uint((unsigned int)result);
}

// call(name, *arguments) -> int
static mp_obj_t edgeturn_call(size_t count, const mp_obj_t *values)
{
	const struct row *row = find(mp_obj_str_get_qstr(values[0]));
	long of[MOST_ARGUMENTS] = { 0 };
	size_t i;

	if (count - 1 > MOST_ARGUMENTS)
		mp_raise_TypeError(MP_ERROR_TEXT("too many arguments"));
	for (i = 1; i < count; i++)
		of[i - 1] = argument(values[i]);
	return result_of(row->kind, ((function *)row->function)(of[0], of[1], of[2], of[3], of[4], of[5]));
}
MP_DEFINE_CONST_FUN_OBJ_VAR(edgeturn_call_obj, 1, edgeturn_call);

// address_of(buffer) -> int, as long as it lives and keeps its size
static mp_obj_t edgeturn_address_of(mp_obj_t buffer)
{
	return mp_obj_new_int_from_uint((uintptr_t)buffer_of(buffer, MP_BUFFER_READ).buf);
}
MP_DEFINE_CONST_FUN_OBJ_1(edgeturn_address_of_obj, edgeturn_address_of);

// bpf(command, attributes) -> int
static mp_obj_t edgeturn_bpf(mp_obj_t command, mp_obj_t attributes)
{
	mp_buffer_info_t of = buffer_of(attributes, MP_BUFFER_RW);

	return result_of(LONG, syscall(SYS_bpf, (long)mp_obj_get_int(command), of.buf, of.len));
}
MP_DEFINE_CONST_FUN_OBJ_2(edgeturn_bpf_obj, edgeturn_bpf);

// clock() -> whole seconds of CLOCK_MONOTONIC, whatever the layout of a time is
static mp_obj_t edgeturn_clock(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return mp_obj_new_int((mp_int_t)now.tv_sec);
}
MP_DEFINE_CONST_FUN_OBJ_0(edgeturn_clock_obj, edgeturn_clock);

// room(size) -> bytearray outside of the heap, of which only what is used takes memory; it stays until the end
static mp_obj_t edgeturn_room(mp_obj_t size)
{
	size_t wanted = mp_obj_get_int(size);
	void *at = mmap(NULL, wanted, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (at == MAP_FAILED)
		mp_raise_OSError(errno);
	return mp_obj_new_bytearray_by_ref(wanted, at);
}
MP_DEFINE_CONST_FUN_OBJ_1(edgeturn_room_obj, edgeturn_room);
