// The names of what is frozen, whose table is made when the program starts: on flash, it would be half as large as the names.

#include <stdint.h>

// A name that has a zero in it, and so doesn't end at the first.
struct with_zero {
	uint16_t index;
	uint8_t size;
};

void edgeturn_make_names(void);
