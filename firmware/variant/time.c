// The part of module `time` that is the system's: seconds, and what they are in UTC. There is no zone: edgeturn speaks UTC.

#include <errno.h>
#include <time.h>

#include "py/mphal.h"
#include "py/objtuple.h"
#include "shared/timeutils/timeutils.h"

static mp_obj_t mp_time_time_get(void) {
	return mp_obj_new_int_from_ll(time(NULL));
}

static mp_obj_t mp_time_sleep(mp_obj_t seconds) {
	mp_hal_delay_ms(mp_obj_get_int(seconds) * 1000);
	return mp_const_none;
}

static mp_obj_t time_gmtime(mp_obj_t seconds) {
	time_t time = timeutils_obj_get_timestamp(seconds);
	struct tm parts;

	if (gmtime_r(&time, &parts) == NULL)
		mp_raise_OSError(EOVERFLOW);
	mp_obj_t items[] = {
		MP_OBJ_NEW_SMALL_INT(parts.tm_year + 1900), MP_OBJ_NEW_SMALL_INT(parts.tm_mon + 1), MP_OBJ_NEW_SMALL_INT(parts.tm_mday),
		MP_OBJ_NEW_SMALL_INT(parts.tm_hour), MP_OBJ_NEW_SMALL_INT(parts.tm_min), MP_OBJ_NEW_SMALL_INT(parts.tm_sec),
		MP_OBJ_NEW_SMALL_INT((parts.tm_wday + 6) % 7), MP_OBJ_NEW_SMALL_INT(parts.tm_yday + 1), MP_OBJ_NEW_SMALL_INT(0),
	};
	return mp_obj_new_tuple(MP_ARRAY_SIZE(items), items);
}
static MP_DEFINE_CONST_FUN_OBJ_1(time_gmtime_obj, time_gmtime);

#define MICROPY_PY_TIME_EXTRA_GLOBALS {MP_ROM_QSTR(MP_QSTR_gmtime), MP_ROM_PTR(&time_gmtime_obj)},
