// The tables of frozen names; denser.py puts this into the frozen content, behind frozen_text, which begins with the names.

#include <string.h>

static qstr_hash_t hashes[NAMES];
static qstr_len_t lengths[NAMES];
extern const qstr_pool_t mp_qstr_const_pool;

struct {
	qstr_pool_t pool;
	const char *names[NAMES];
} mp_qstr_frozen_const_pool;

void edgeturn_make_names(void) {
	const struct with_zero *zero = names_with_zero;
	const byte *text = frozen_text;
	size_t i, size;

	_Static_assert(FROZEN == NAMES, "a name of the frozen modules isn't frozen");
	memcpy(frozen_table, frozen_first, sizeof(frozen_first));
	for (i = 0; i < NAMES; i++, text += size + 1) {
		size = i == zero->index ? zero++->size : strlen((const char *)text);
		hashes[i] = qstr_compute_hash(text, size);
		lengths[i] = size;
		mp_qstr_frozen_const_pool.names[i] = (const char *)text;
		frozen_table[FIRST + i] = MP_QSTRnumber_of + i;
	}
	/* Nothing is added to this table, and the next is twice as large as what is allocated here. */
	mp_qstr_frozen_const_pool.pool = (qstr_pool_t){
		.prev = &mp_qstr_const_pool,
		.total_prev_len = MP_QSTRnumber_of,
		.is_sorted = true,
		.alloc = 10,
		.len = NAMES,
		.hashes = hashes,
		.lengths = lengths,
	};
}
