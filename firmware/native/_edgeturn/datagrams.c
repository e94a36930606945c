// What is done for each datagram: receive it, read and write its header, name what is to be sent.
//
// Rule 1: Nothing is allocated. A tuple, a view, an address and an exception are made once and handed out each time,
//         so whoever gets one is done with it before the next is asked for.
// Rule 2: A source's sockaddr is found again in a table of fixed size; one that isn't there takes another's place.

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "py/objarray.h"
#include "py/objexcept.h"
#include "py/objtuple.h"

#include "edgeturn.h"

enum { SOURCES = 256, DATAGRAM = 3 };

MP_REGISTER_ROOT_POINTER(mp_obj_t *edgeturn_sources);
MP_REGISTER_ROOT_POINTER(mp_obj_t edgeturn_pair);
MP_REGISTER_ROOT_POINTER(mp_obj_t edgeturn_datagram);
MP_REGISTER_ROOT_POINTER(mp_obj_t edgeturn_window);
MP_REGISTER_ROOT_POINTER(mp_obj_t edgeturn_nothing);

static mp_obj_t pair(mp_obj_t first, mp_obj_t second)
{
	mp_obj_tuple_t *tuple;

	if (MP_STATE_VM(edgeturn_pair) == MP_OBJ_NULL)
		MP_STATE_VM(edgeturn_pair) = mp_obj_new_tuple(2, NULL);
	tuple = MP_OBJ_TO_PTR(MP_STATE_VM(edgeturn_pair));
	tuple->items[0] = first;
	tuple->items[1] = second;
	return MP_OBJ_FROM_PTR(tuple);
}

// Raise EAGAIN. Each raise notes where it came through, in memory that is used again.
static NORETURN void raise_nothing(void)
{
	mp_obj_exception_t *nothing;

	if (MP_STATE_VM(edgeturn_nothing) == MP_OBJ_NULL)
		MP_STATE_VM(edgeturn_nothing) = mp_obj_new_exception_arg1(&mp_type_OSError, MP_OBJ_NEW_SMALL_INT(EAGAIN));
	nothing = MP_OBJ_TO_PTR(MP_STATE_VM(edgeturn_nothing));
	nothing->traceback_len = 0;
	nlr_raise(MP_OBJ_FROM_PTR(nothing));
}

static size_t place_of(const uint8_t *name, size_t size)
{
	uint32_t sum = 2166136261u; // FNV-1a
	size_t i;

	for (i = 0; i < size; i++)
		sum = (sum ^ name[i]) * 16777619u;
	return (sum ^ sum >> 16) % SOURCES;
}

// Return the bytes of a sockaddr, the same object as the last time unless another one came to its place.
static mp_obj_t source(const void *name, size_t size)
{
	mp_obj_t *known;

	if (MP_STATE_VM(edgeturn_sources) == NULL)
		MP_STATE_VM(edgeturn_sources) = m_new0(mp_obj_t, SOURCES);
	known = &MP_STATE_VM(edgeturn_sources)[place_of(name, size)];
	if (*known != MP_OBJ_NULL) {
		mp_buffer_info_t old = buffer_of(*known, MP_BUFFER_READ);

		if (old.len == size && memcmp(old.buf, name, size) == 0)
			return *known;
	}
	*known = mp_obj_new_bytes(name, size);
	return *known;
}

typedef struct {
	mp_obj_base_t base;
	mp_obj_t buffer; // is kept alive
	uint8_t *data;
	size_t size;
	int descriptor;
	int before, served; // datagrams in the turn before and in this one
	unsigned turn;
	bool empty;
} receiver_t;

// Receiver(descriptor, buffer, offset): a call receives a datagram there and returns its size and its source's sockaddr
static mp_obj_t receiver_new(const mp_obj_type_t *type, size_t count, size_t keywords, const mp_obj_t *values)
{
	receiver_t *self;
	mp_buffer_info_t whole;
	size_t offset;

	mp_arg_check_num(count, keywords, 3, 3, false);
	self = mp_obj_malloc(receiver_t, type);
	whole = buffer_of(values[1], MP_BUFFER_RW);
	offset = mp_obj_get_int(values[2]);
	if (offset > whole.len)
		mp_raise_ValueError(NULL);
	self->descriptor = mp_obj_get_int(values[0]);
	self->before = self->served = 0;
	self->turn = poller_turns;
	self->empty = false;
	self->buffer = values[1];
	self->data = (uint8_t *)whole.buf + offset;
	self->size = whole.len - offset;
	return MP_OBJ_FROM_PTR(self);
}

// Return how many to ask for at once: what came the last time; in one turn it's the loop that doubles it.
static int wanted(receiver_t *self)
{
	if (self->turn != poller_turns) {
		self->turn = poller_turns;
		self->before = self->served;
		self->served = 0;
		self->empty = false;
	}
	return self->served < self->before ? self->before - self->served : self->before;
}

static mp_obj_t take(receiver_t *self)
{
	const void *name;
	size_t size, received = batch_take(self->data, self->size, &name, &size);

	self->served++;
	return pair(MP_OBJ_NEW_SMALL_INT(received), source(name, MIN(size, sizeof(struct sockaddr_in6))));
}

static mp_obj_t receive_one(receiver_t *self)
{
	struct sockaddr_in6 name;
	socklen_t size = sizeof(name);
	ssize_t received = recvfrom(self->descriptor, self->data, self->size, 0, (struct sockaddr *)&name, &size);

	if (received < 0 && errno == EAGAIN)
		raise_nothing();
	if (received < 0)
		mp_raise_OSError(errno);
	self->served++;
	return pair(MP_OBJ_NEW_SMALL_INT(received), source(&name, MIN(size, sizeof(name))));
}

static mp_obj_t receiver_call(mp_obj_t object, size_t count, size_t keywords, const mp_obj_t *values)
{
	receiver_t *self = MP_OBJ_TO_PTR(object);
	int most = wanted(self), owner = batch_owner(), empty;

	mp_arg_check_num(count, keywords, 0, 0, false);
	if (owner == self->descriptor)
		return take(self);
	if (self->empty) {
		self->empty = false;
		raise_nothing();
	}
	if (most < 2 || owner >= 0)
		return receive_one(self);
	empty = batch_fetch(self->descriptor, most);
	if (empty < 0 && errno == EAGAIN)
		raise_nothing();
	if (empty < 0)
		mp_raise_OSError(errno);
	self->empty = empty;
	return take(self);
}

MP_DEFINE_CONST_OBJ_TYPE(edgeturn_receiver_type, MP_QSTR_Receiver, MP_TYPE_FLAG_NONE,
	make_new, receiver_new, call, receiver_call);

// receive(descriptor, buffer) -> size, None where there's nothing now
static mp_obj_t edgeturn_receive(mp_obj_t descriptor, mp_obj_t buffer)
{
	mp_buffer_info_t to = buffer_of(buffer, MP_BUFFER_RW);
	ssize_t received = recv(mp_obj_get_int(descriptor), to.buf, to.len, 0);

	if (received < 0 && errno == EAGAIN)
		return mp_const_none;
	if (received < 0)
		mp_raise_OSError(errno);
	return MP_OBJ_NEW_SMALL_INT(received);
}
MP_DEFINE_CONST_FUN_OBJ_2(edgeturn_receive_obj, edgeturn_receive);

// Return where two 16-bit numbers are in a buffer; ValueError where they aren't whole.
static uint8_t *pair_in(mp_obj_t buffer, mp_obj_t offset, mp_uint_t access)
{
	mp_buffer_info_t whole = buffer_of(buffer, access);
	size_t at = mp_obj_get_int(offset);

	if (at > whole.len || whole.len - at < 4)
		mp_raise_ValueError(MP_ERROR_TEXT("buffer too small"));
	return (uint8_t *)whole.buf + at;
}

// unpack_pair(buffer, offset=0) -> two 16-bit numbers in network order
static mp_obj_t edgeturn_unpack_pair(size_t count, const mp_obj_t *values)
{
	uint8_t *at = pair_in(values[0], count > 1 ? values[1] : MP_OBJ_NEW_SMALL_INT(0), MP_BUFFER_READ);

	return pair(MP_OBJ_NEW_SMALL_INT(at[0] << 8 | at[1]), MP_OBJ_NEW_SMALL_INT(at[2] << 8 | at[3]));
}
MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(edgeturn_unpack_pair_obj, 1, 2, edgeturn_unpack_pair);

// pack_pair(buffer, offset, first, second)
static mp_obj_t edgeturn_pack_pair(size_t count, const mp_obj_t *values)
{
	uint8_t *at = pair_in(values[0], values[1], MP_BUFFER_RW);
	mp_int_t first = mp_obj_get_int(values[2]), second = mp_obj_get_int(values[3]);

	(void)count;
	at[0] = (uint8_t)(first >> 8);
	at[1] = (uint8_t)first;
	at[2] = (uint8_t)(second >> 8);
	at[3] = (uint8_t)second;
	return mp_const_none;
}
MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(edgeturn_pack_pair_obj, 4, 4, edgeturn_pack_pair);

// Let the window, which is a view, show a part of another view.
static mp_obj_t window(mp_obj_t view, size_t start, size_t end)
{
	mp_obj_array_t *whole = MP_OBJ_TO_PTR(view), *part;

	if (!mp_obj_is_type(view, &mp_type_memoryview) || start > end || end > whole->len)
		mp_raise_ValueError(NULL);
	if (MP_STATE_VM(edgeturn_window) == MP_OBJ_NULL)
		MP_STATE_VM(edgeturn_window) = mp_obj_new_memoryview('B', 0, NULL);
	part = MP_OBJ_TO_PTR(MP_STATE_VM(edgeturn_window));
	*part = *whole;
	part->free += start; // which is a view's offset
	part->len = end - start;
	return MP_OBJ_FROM_PTR(part);
}

// datagram(via, destination, packet, start, end) -> (via, destination, packet[start:end])
static mp_obj_t edgeturn_datagram(size_t count, const mp_obj_t *values)
{
	mp_obj_tuple_t *tuple;

	(void)count;
	if (MP_STATE_VM(edgeturn_datagram) == MP_OBJ_NULL)
		MP_STATE_VM(edgeturn_datagram) = mp_obj_new_tuple(DATAGRAM, NULL);
	tuple = MP_OBJ_TO_PTR(MP_STATE_VM(edgeturn_datagram));
	tuple->items[0] = values[0];
	tuple->items[1] = values[1];
	tuple->items[2] = window(values[2], mp_obj_get_int(values[3]), mp_obj_get_int(values[4]));
	return MP_OBJ_FROM_PTR(tuple);
}
MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(edgeturn_datagram_obj, 5, 5, edgeturn_datagram);
