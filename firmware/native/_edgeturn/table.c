// Table(function): its results, remembered for the last few hundred arguments; a look-up for each packet.

#include "edgeturn.h"

enum { ENTRIES = 256 };

typedef struct {
	mp_obj_base_t base;
	mp_obj_t function;
	mp_map_t results;
} table_t;

static mp_obj_t table_new(const mp_obj_type_t *type, size_t count, size_t keywords, const mp_obj_t *values)
{
	table_t *self;

	mp_arg_check_num(count, keywords, 1, 1, false);
	self = mp_obj_malloc(table_t, type);
	self->function = values[0];
	mp_map_init(&self->results, 0);
	return MP_OBJ_FROM_PTR(self);
}

static mp_obj_t table_subscr(mp_obj_t object, mp_obj_t argument, mp_obj_t value)
{
	table_t *self = MP_OBJ_TO_PTR(object);
	mp_map_elem_t *found;
	mp_obj_t result;

	if (value != MP_OBJ_SENTINEL)
		return MP_OBJ_NULL;
	found = mp_map_lookup(&self->results, argument, MP_MAP_LOOKUP);
	if (found != NULL)
		return found->value;
	result = mp_call_function_1(self->function, argument);
	if (self->results.used >= ENTRIES)
		mp_map_clear(&self->results);
	mp_map_lookup(&self->results, argument, MP_MAP_LOOKUP_ADD_IF_NOT_FOUND)->value = result;
	return result;
}

MP_DEFINE_CONST_OBJ_TYPE(edgeturn_table_type, MP_QSTR_Table, MP_TYPE_FLAG_NONE,
	make_new, table_new, subscr, table_subscr);
