// Poller: waits for sockets with epoll, whose cost doesn't grow with their number, and hands out what is ready.
//
// Rule 1: wait() allocates nothing: it returns the poller, and going through that gives the same tuple each time.
// Rule 2: A socket is unregistered before it is closed; what isn't registered any longer isn't handed out.

#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "py/objtuple.h"

#include "edgeturn.h"

enum { AT_ONCE = 64 };

typedef struct {
	mp_obj_base_t base;
	int epoll;
	size_t size; // of the handlers
	mp_obj_t *handlers; // by descriptor
	mp_obj_t row;
	int ready, at;
	struct epoll_event events[AT_ONCE + 1];
} poller_t;

unsigned poller_turns;

static mp_obj_t poller_new(const mp_obj_type_t *type, size_t count, size_t keywords, const mp_obj_t *values)
{
	poller_t *self;

	mp_arg_check_num(count, keywords, 0, 0, false);
	self = mp_obj_malloc(poller_t, type);
	self->size = 0;
	self->handlers = NULL;
	self->ready = self->at = 0;
	self->row = mp_obj_new_tuple(2, NULL);
	self->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (self->epoll < 0)
		mp_raise_OSError(errno);
	return MP_OBJ_FROM_PTR(self);
}

static int descriptor_of(mp_obj_t sock)
{
	mp_obj_t method[2];

	mp_load_method(sock, MP_QSTR_fileno, method);
	return mp_obj_get_int(mp_call_method_n_kw(0, 0, method));
}

static void make_room(poller_t *self, size_t descriptor)
{
	size_t size = (descriptor | 15) + 1;

	if (descriptor < self->size)
		return;
	self->handlers = m_renew(mp_obj_t, self->handlers, self->size, size);
	while (self->size < size)
		self->handlers[self->size++] = MP_OBJ_NULL;
}

// register(sock, handler, writing=False, reading=True)
static mp_obj_t poller_register(size_t count, const mp_obj_t *values)
{
	poller_t *self = MP_OBJ_TO_PTR(values[0]);
	int descriptor = descriptor_of(values[1]);
	struct epoll_event event = { .data.fd = descriptor };

	if (count < 5 || mp_obj_is_true(values[4]))
		event.events |= EPOLLIN;
	if (count > 3 && mp_obj_is_true(values[3]))
		event.events |= EPOLLOUT;
	if (descriptor < 0)
		mp_raise_OSError(EBADF);
	make_room(self, descriptor);
	if (epoll_ctl(self->epoll, EPOLL_CTL_ADD, descriptor, &event) < 0
	    && (errno != EEXIST || epoll_ctl(self->epoll, EPOLL_CTL_MOD, descriptor, &event) < 0))
		mp_raise_OSError(errno);
	self->handlers[descriptor] = values[2];
	return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(poller_register_obj, 3, 5, poller_register);

// unregister(sock)
static mp_obj_t poller_unregister(mp_obj_t object, mp_obj_t sock)
{
	poller_t *self = MP_OBJ_TO_PTR(object);
	int descriptor = descriptor_of(sock);

	if (descriptor >= 0 && (size_t)descriptor < self->size && self->handlers[descriptor] != MP_OBJ_NULL) {
		batch_flush();
		batch_forget(descriptor);
		self->handlers[descriptor] = MP_OBJ_NULL;
		epoll_ctl(self->epoll, EPOLL_CTL_DEL, descriptor, NULL);
	}
	return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_2(poller_unregister_obj, poller_unregister);

// Add whose datagrams were fetched and not handed out.
static void add_owner(poller_t *self, int owner)
{
	int i;

	for (i = 0; i < self->ready; i++)
		if (self->events[i].data.fd == owner)
			return;
	self->events[self->ready++] = (struct epoll_event){ .events = EPOLLIN, .data.fd = owner };
}

// wait(milliseconds) -> what is ready, at the latest after a time; -1 waits for ever, and a signal ends it
static mp_obj_t poller_wait(mp_obj_t object, mp_obj_t milliseconds)
{
	poller_t *self = MP_OBJ_TO_PTR(object);

	int owner = batch_owner();

	batch_flush();
	poller_turns++;
	self->at = 0;
	self->ready = epoll_wait(self->epoll, self->events, AT_ONCE, owner < 0 ? mp_obj_get_int(milliseconds) : 0);
	if (self->ready < 0) {
		self->ready = 0;
		if (errno != EINTR)
			mp_raise_OSError(errno);
	}
	if (owner >= 0)
		add_owner(self, owner);
	batch_gather(self->ready > 1);
	return object;
}
static MP_DEFINE_CONST_FUN_OBJ_2(poller_wait_obj, poller_wait);

static mp_obj_t poller_next(mp_obj_t object)
{
	poller_t *self = MP_OBJ_TO_PTR(object);
	mp_obj_tuple_t *row = MP_OBJ_TO_PTR(self->row);

	while (self->at < self->ready) {
		struct epoll_event *event = &self->events[self->at++];

		row->items[0] = self->handlers[event->data.fd];
		row->items[1] = MP_OBJ_NEW_SMALL_INT(event->events);
		if (row->items[0] != MP_OBJ_NULL)
			return self->row;
	}
	batch_flush();
	return MP_OBJ_STOP_ITERATION;
}

static mp_obj_t poller_unary(mp_unary_op_t op, mp_obj_t object)
{
	poller_t *self = MP_OBJ_TO_PTR(object);

	return op == MP_UNARY_OP_BOOL ? mp_obj_new_bool(self->at < self->ready) : MP_OBJ_NULL;
}

static const mp_rom_map_elem_t names[] = {
	{ MP_ROM_QSTR(MP_QSTR_register), MP_ROM_PTR(&poller_register_obj) },
	{ MP_ROM_QSTR(MP_QSTR_unregister), MP_ROM_PTR(&poller_unregister_obj) },
	{ MP_ROM_QSTR(MP_QSTR_wait), MP_ROM_PTR(&poller_wait_obj) },
};
static MP_DEFINE_CONST_DICT(locals, names);

MP_DEFINE_CONST_OBJ_TYPE(edgeturn_poller_type, MP_QSTR_Poller, MP_TYPE_FLAG_ITER_IS_ITERNEXT,
	make_new, poller_new, unary_op, poller_unary, iter, poller_next, locals_dict, &locals);
