// The program's start: memory, sys.argv and sys.path, then the frozen module `boot`, which does the rest in Python.
//
// Rule 1: `-X heapsize=N[k|m]` in front says how far the heap may grow, as with every MicroPython; all else is Python's.
// Rule 2: SystemExit's number is the exit code; any other exception leaves its trace and 1.

#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "extmod/vfs.h"
#include "extmod/vfs_posix.h"
#include "py/builtin.h"
#include "py/cstack.h"
#include "py/gc.h"
#include "py/mphal.h"
#include "py/objexcept.h"
#include "py/runtime.h"

#include "names.h"

// The heap grows to twice its size at a time, as fast as it is used up: what is never touched costs nothing.
static size_t heap_limit = 16 * 1024 * 1024;
static size_t heap_size;
static const size_t first_heap = 64 * 1024;
// Python may ask for a collection after so many bytes, which is at least this part of the heap: what is read at once
// and stays, as a JSON text that nests, would be marked anew so often that the time grows with its square.
static const size_t collected_part = 16;

// Each piece has its size in front; that keeps the alignment that the garbage collector wants.
struct piece {
	size_t size;
	max_align_t memory[];
};

static void raise_threshold(void) {
	size_t blocks = heap_size / collected_part / MICROPY_BYTES_PER_GC_BLOCK;

	if (MP_STATE_MEM(gc_alloc_threshold) < blocks) // which is the largest number there is where Python wants none
		MP_STATE_MEM(gc_alloc_threshold) = blocks;
}

void *edgeturn_allocate_heap(size_t size) {
	struct piece *piece = malloc(sizeof(*piece) + size);

	if (piece == NULL)
		return NULL;
	piece->size = size;
	heap_size += size;
	raise_threshold();
	return piece->memory;
}

void edgeturn_free_heap(void *memory) {
	struct piece *piece = (struct piece *)((char *)memory - offsetof(struct piece, memory));

	heap_size -= piece->size;
	free(piece);
}

// Asked by the garbage collector when its memory is full: how large may one more piece be?
size_t gc_get_max_new_split(void) {
	return heap_size < heap_limit ? heap_limit - heap_size : 0;
}

static int complain(const char *what, const char *about) {
	mp_printf(&mp_stderr_print, "edgeturn: %s: %s\n", about, what);
	return 2;
}

static size_t parse_size(const char *text) {
	char *end;
	size_t size = strtoul(text, &end, 0);

	switch (*end | 0x20) {
	case 'k':
		return size * 1024;
	case 'm':
		return size * 1024 * 1024;
	default:
		return size;
	}
}

// Take the options of the interpreter, and return the index of the first argument that is Python's; 0 is an error.
static int take_options(int argc, char **argv) {
	static const char option[] = "heapsize=";
	int first = 1;

	while (first + 1 < argc && strcmp(argv[first], "-X") == 0) {
		const char *value = argv[first + 1];

		if (strncmp(value, option, sizeof(option) - 1) != 0)
			return 0;
		heap_limit = parse_size(value + sizeof(option) - 1);
		first += 2;
	}
	return first;
}

static void mount_files(void) {
	mp_obj_t arguments[2] = {
		MP_OBJ_TYPE_GET_SLOT(&mp_type_vfs_posix, make_new)(&mp_type_vfs_posix, 0, 0, NULL),
		MP_OBJ_NEW_QSTR(MP_QSTR__slash_),
	};
	mp_vfs_mount_t *mounted;

	mp_vfs_mount(2, arguments, (mp_map_t *)&mp_const_empty_map);
	for (mounted = MP_STATE_VM(vfs_mount_table); mounted->next != NULL; mounted = mounted->next)
		;
	MP_STATE_VM(vfs_cur) = mounted;
}

// What is frozen comes first, so that nothing that lies about can stand in for it.
static void set_path(const char *folders) {
	mp_sys_path = mp_obj_new_list(0, NULL);
	mp_obj_list_append(mp_sys_path, MP_OBJ_NEW_QSTR(MP_QSTR__dot_frozen));
	while (folders != NULL && *folders != 0) {
		size_t size = strcspn(folders, ":");

		if (size)
			mp_obj_list_append(mp_sys_path, mp_obj_new_str_via_qstr(folders, size));
		folders += size + (folders[size] == ':');
	}
}

static void set_arguments(int argc, char **argv, int first) {
	mp_obj_list_init(MP_OBJ_TO_PTR(mp_sys_argv), 0);
	mp_obj_list_append(mp_sys_argv, mp_obj_new_str_from_cstr(argv[0]));
	for (; first < argc; first++)
		mp_obj_list_append(mp_sys_argv, mp_obj_new_str_from_cstr(argv[first]));
}

static int exit_code(mp_obj_base_t *exception) {
	mp_obj_t value;
	mp_int_t code = 1;

	if (!mp_obj_is_subclass_fast(MP_OBJ_FROM_PTR(exception->type), MP_OBJ_FROM_PTR(&mp_type_SystemExit))) {
		mp_obj_print_exception(&mp_stderr_print, MP_OBJ_FROM_PTR(exception));
		return 1;
	}
	value = mp_obj_exception_get_value(MP_OBJ_FROM_PTR(exception));
	if (value == mp_const_none)
		return 0;
	if (!mp_obj_get_int_maybe(value, &code))
		mp_printf(&mp_stderr_print, "%s\n", mp_obj_str_get_str(value));
	return code & 0xff;
}

static int run(void) {
	nlr_buf_t nlr;

	if (nlr_push(&nlr) != 0)
		return exit_code(nlr.ret_val);
	mp_import_name(MP_QSTR_boot, mp_const_none, MP_OBJ_NEW_SMALL_INT(0));
	nlr_pop();
	return 0;
}

static MP_NOINLINE int start(int argc, char **argv) {
	int first = take_options(argc, argv);
	void *heap;
	int code;

	if (first == 0)
		return complain("the only option of -X is heapsize=SIZE", argv[2]);
	heap = edgeturn_allocate_heap(first_heap);
	if (heap == NULL)
		return complain("no memory to begin with", argv[0]);
	gc_init(heap, (char *)heap + first_heap);
	edgeturn_make_names();
	mp_init();
	mount_files();
	set_path(getenv("MICROPYPATH"));
	set_arguments(argc, argv, first);
	code = run();
	mp_deinit();
	return code;
}

int main(int argc, char **argv) {
	signal(SIGPIPE, SIG_IGN); // a reader that is gone is an error of that write, and no end
	/* Frozen imports nest some 15 deep, which takes more than upstream's 40 KB on mips. */
	mp_cstack_init_with_sp_here(192 * 1024);
	return start(argc, argv);
}

void nlr_jump_fail(void *value) {
	mp_printf(&mp_stderr_print, "edgeturn: an exception %p that nothing catches\n", value);
	_exit(1);
}
