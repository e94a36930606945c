// release(): what only the start needed goes back to the system, pages of the program and of the stack.
//
// Rule 1: Of the program only what is never written: it's read again from its file where it's wanted.
// Rule 2: Linux maps 64 KB of a file where one page is wanted, within one mapping; so the program becomes many.
// Rule 3: Of the stack only what is far below this function's frame.

#include <link.h>
#include <sys/mman.h>
#include <unistd.h>

#include "edgeturn.h"

enum {
	PAGES = 4, // of a mapping
	STACK = 192 * 1024, // of which main.c lets Python use no more
	FRAMES = 8192, // more than what is called from here takes
};

extern const ElfW(Ehdr) __ehdr_start;

static void release_part(uintptr_t start, uintptr_t size, uintptr_t step) {
	uintptr_t at;

	madvise((void *)start, size, MADV_DONTNEED);
	for (at = start; at + step < start + size; at += 2 * step)
		madvise((void *)at, step, MADV_DONTDUMP); // nothing but a difference to its neighbours
}

static mp_obj_t edgeturn_release(void) {
	const ElfW(Phdr) *part = (const void *)((const char *)&__ehdr_start + __ehdr_start.e_phoff);
	const ElfW(Phdr) *end = part + __ehdr_start.e_phnum;
	uintptr_t page = getpagesize();
	uintptr_t frame = (uintptr_t)__builtin_frame_address(0) & -page;

	for (; part < end; part++)
		if (part->p_type == PT_LOAD && !(part->p_flags & PF_W))
			release_part(part->p_vaddr & -page, part->p_memsz, PAGES * page);
	madvise((void *)(frame - STACK), STACK - FRAMES, MADV_DONTNEED);
	return mp_const_none;
}
MP_DEFINE_CONST_FUN_OBJ_0(edgeturn_release_obj, edgeturn_release);
