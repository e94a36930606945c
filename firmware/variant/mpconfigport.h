// What this MicroPython has: what edgeturn imports, and nothing besides.
//
// Rule 1: No float anywhere: a router's CPU has no FPU, and its compiler's run-time library may believe that it has one.
// Rule 2: No compiler: edgeturn is frozen, and what isn't (the tests) is loaded as .mpy.
// Rule 3: The heap begins small and grows as far as main.c lets it.

#include <alloca.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define MICROPY_CONFIG_ROM_LEVEL (MICROPY_CONFIG_ROM_LEVEL_EXTRA_FEATURES)

// The language
#define MICROPY_ENABLE_COMPILER (0)
#define MICROPY_PERSISTENT_CODE_LOAD (1)
#define MICROPY_FLOAT_IMPL (MICROPY_FLOAT_IMPL_NONE)
#define MICROPY_LONGINT_IMPL (MICROPY_LONGINT_IMPL_MPZ)
#define MICROPY_OPT_COMPUTED_GOTO (1)
#define MICROPY_ERROR_REPORTING (MICROPY_ERROR_REPORTING_TERSE)
#define MICROPY_WARNINGS (0)
#define MICROPY_MODULE_OVERRIDE_MAIN_IMPORT (1) // boot.py's -m
#define MICROPY_ENABLE_SOURCE_LINE (0)
#define MICROPY_STREAMS_POSIX_API (1) // for mbedtls
#define MICROPY_KBD_EXCEPTION (0)
#define MICROPY_STACKLESS (0)
#define MICROPY_STACKLESS_STRICT (0)

// Memory
#define MICROPY_ENABLE_GC (1)
#define MICROPY_ENABLE_FINALISER (1)
#define MICROPY_GC_SPLIT_HEAP (1)
#define MICROPY_GC_SPLIT_HEAP_AUTO (1)
void *edgeturn_allocate_heap(size_t size);
void edgeturn_free_heap(void *memory);
#define MP_PLAT_ALLOC_HEAP(size) edgeturn_allocate_heap(size)
#define MP_PLAT_FREE_HEAP(memory) edgeturn_free_heap(memory)
#define MICROPY_TRACKED_ALLOC (0)
#define MICROPY_ALLOC_PATH_MAX (PATH_MAX)
#if !defined(__x86_64__) && !defined(__arm__) && !defined(__thumb__)
#define MICROPY_GCREGS_SETJMP (1)
#endif

// Files are the system's
#define MICROPY_VFS (1)
#define MICROPY_VFS_POSIX (1)
#define MICROPY_READER_VFS (1)
#define MICROPY_READER_POSIX (1)
#define MICROPY_EPOCH_IS_1970 (1)
#define MICROPY_TIMESTAMP_IMPL (MICROPY_TIMESTAMP_IMPL_TIME_T)
#define _DIRENT_HAVE_D_TYPE (1)
#define _DIRENT_HAVE_D_INO (1)

// Modules
#define MICROPY_PY_SYS_PATH_ARGV_DEFAULTS (0) // main.c sets both
#ifndef MICROPY_PY_DEFLATE
#define MICROPY_PY_DEFLATE (0) // but for crc32: Makefile
#endif
#define MICROPY_PY_SYS_PLATFORM "linux"
#define MICROPY_PY_OS_INCLUDEFILE "ports/unix/modos.c"
#define MICROPY_PY_OS_ERRNO (1)
#define MICROPY_PY_OS_GETENV_PUTENV_UNSETENV (1)
#define MICROPY_PY_OS_SYSTEM (1)
#define MICROPY_PY_OS_URANDOM (1)
#define MICROPY_PY_TIME (1)
#define MICROPY_PY_TIME_TIME_TIME_NS (1)
#define MICROPY_PY_TIME_CUSTOM_SLEEP (1)
#define MICROPY_PY_TIME_INCLUDEFILE "time.c"
#define MICROPY_PY_SELECT_POSIX_OPTIMISATIONS (1)
#define MICROPY_PY_SELECT_SELECT (0)
#define MICROPY_SELECT_REMAINING_TIME (1)
#define MICROPY_PY_SOCKET_LISTEN_BACKLOG_DEFAULT (128)
#if MICROPY_PY_SSL
#define MICROPY_PY_SSL_DTLS (1)
#define MICROPY_PY_TLS (1)
#endif

// What the feature level would bring
#define MICROPY_CAN_OVERRIDE_BUILTINS (0)
#define MICROPY_HELPER_REPL (0)
#define MICROPY_PY_ALL_SPECIAL_METHODS (0)
#define MICROPY_PY_ARRAY (0)
#define MICROPY_PY_ASYNCIO (0)
#define MICROPY_PY_BUILTINS_FROZENSET (0)
#define MICROPY_PY_BUILTINS_HELP (0)
#define MICROPY_PY_BUILTINS_INPUT (0)
#define MICROPY_PY_BUILTINS_NOTIMPLEMENTED (0)
#define MICROPY_PY_BUILTINS_POW3 (0)
#define MICROPY_PY_BUILTINS_REVERSED (0)
#define MICROPY_PY_BUILTINS_SLICE_ATTRS (0)
#define MICROPY_PY_BUILTINS_SLICE_INDICES (0)
#define MICROPY_PY_BUILTINS_STR_CENTER (0)
#define MICROPY_PY_BUILTINS_STR_SPLITLINES (0)
#define MICROPY_PY_CMATH (0)
#define MICROPY_PY_COLLECTIONS_DEQUE (0)
#define MICROPY_PY_COLLECTIONS_ORDEREDDICT (0)
#define MICROPY_PY_CRYPTOLIB (0)
#define MICROPY_PY_DELATTR_SETATTR (0)
#define MICROPY_PY_FRAMEBUF (0)
#define MICROPY_PY_GENERATOR_PEND_THROW (0)
#define MICROPY_PY_HASHLIB (0) // _edgeturn has digests
#define MICROPY_PY_HEAPQ (0)
#define MICROPY_PY_MACHINE (0)
#define MICROPY_PY_MARSHAL (0)
#define MICROPY_PY_MATH (0)
#define MICROPY_PY_MICROPYTHON_MEM_INFO (0)
#define MICROPY_PY_MICROPYTHON_RINGIO (0)
#define MICROPY_PY_OS_DUPTERM (0)
#define MICROPY_PY_OS_STATVFS (0)
#define MICROPY_PY_PLATFORM (0)
#define MICROPY_PY_RANDOM (0)
#define MICROPY_PY_RE (0)
#define MICROPY_PY_REVERSE_SPECIAL_METHODS (0)
#define MICROPY_PY_SYS_PS1_PS2 (0)
#define MICROPY_PY_THREAD (0)
#define MICROPY_PY_UCTYPES (0)
#define MICROPY_PY_WEBSOCKET (0)
#define MICROPY_REPL_EMACS_KEYS (0)

typedef long mp_int_t; // as wide as a pointer, on every architecture that we build for
typedef unsigned long mp_uint_t;
typedef long long mp_off_t;

#define MP_STATE_PORT MP_STATE_VM

extern const struct _mp_print_t mp_stderr_print;
#define MICROPY_DEBUG_PRINTER (&mp_stderr_print)
#define MICROPY_ERROR_PRINTER (&mp_stderr_print)
