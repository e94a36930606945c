"""The functions of the C library that may be called by name: what each returns, and how it says that it failed.

Rule 1: arguments are at most six; each is an integer, a buffer (its address counts), None, or text (a zero follows).
Rule 2: none takes or returns what is wider than a long, for where that is passed differs; what is in a buffer is laid
        out as that C library wants it, which for the time and for limits isn't the same everywhere.

The firmware has the same rows in firmware/native/calls.c.
"""

# Returns a number: -1 where it failed, a long with -1 likewise, never fails, 0 where it failed.
INTEGER, LONG, UNSIGNED, POSITIVE = "i", "l", "I", "n"

_INTEGERS = (
    "accept access bind chdir chmod chown chroot clock_gettime close connect dup2 execve fchmod fchown fcntl flock "
    "fork fsync getpeername getrlimit getsockname getsockopt ioctl isatty kill lchown link listen mkdir mount open "
    "pipe2 prctl rename rmdir setgid setgroups setns setpgid setrlimit setsid setsockopt setuid shutdown socket "
    "socketpair symlink umask umount2 uname unlink unshare waitpid"
)
_LONGS = "read readlink recv recvfrom recvmsg send sendmsg sendto syscall sysconf write"
_UNSIGNED = "getegid geteuid getgid getpid getppid getuid"
_POSITIVES = "if_nametoindex"

RESULTS: "dict[str, str]" = {}
for _kind, _names in ((INTEGER, _INTEGERS), (LONG, _LONGS), (UNSIGNED, _UNSIGNED), (POSITIVE, _POSITIVES)):
    for _name in _names.split(" "):
        RESULTS[_name] = _kind


def failed(kind: str, result: int) -> bool:
    """Say whether what a function of a kind returned means that it failed."""
    return result == 0 if kind == POSITIVE else result == -1 and kind != UNSIGNED
