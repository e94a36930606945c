// Datagrams by the batch: under load one system call fetches, or sends, several.
//
// Rule 1: The slots hold what came for one socket at a time; meanwhile any other is read singly.
// Rule 2: What is in them is handed out before more is read from that socket; until then the poller calls it ready.
// Rule 3: What is gathered is copied, for its buffer is used again, and sent in its order: when all that was ready has
//         been called, before a socket is unregistered, and before anything else is sent by this way.
// Rule 4: A slot has room for the longest datagram, of which only the pages that one filled take memory.

#define _GNU_SOURCE // recvmmsg

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "edgeturn.h"

enum {
	SLOTS = 16,
	SHORT = 2048, // more than that is no media
	LONGEST = 65536,
	STRIDE = LONGEST + SHORT + 64, // no power of two: the slots' beginnings mustn't compete for the same cache lines
};

struct batch {
	uint8_t *slots;
	int descriptor;
	int at, count; // the next one, and where they end
	struct mmsghdr messages[SLOTS];
	struct iovec parts[SLOTS];
	struct sockaddr_in6 names[SLOTS];
};

static struct batch incoming, outgoing;
static bool had_long, gathering;
static mp_int_t unsent;

static void prepare(struct batch *batch, size_t stride)
{
	void *slots;
	int i;

	if (batch->slots != NULL)
		return;
	slots = mmap(NULL, SLOTS * stride, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (slots == MAP_FAILED)
		mp_raise_OSError(errno);
	batch->slots = slots;
	for (i = 0; i < SLOTS; i++) {
		batch->parts[i] = (struct iovec){ batch->slots + i * stride, LONGEST };
		batch->messages[i].msg_hdr.msg_iov = &batch->parts[i];
		batch->messages[i].msg_hdr.msg_iovlen = 1;
		batch->messages[i].msg_hdr.msg_name = &batch->names[i];
	}
}

int batch_owner(void)
{
	return incoming.at < incoming.count ? incoming.descriptor : -1;
}

void batch_forget(int descriptor)
{
	if (incoming.descriptor == descriptor)
		incoming.at = incoming.count = 0;
}

int batch_fetch(int descriptor, int most)
{
	int i, count;

	prepare(&incoming, STRIDE);
	most = MIN(most, SLOTS);
	for (i = 0; i < most; i++)
		incoming.messages[i].msg_hdr.msg_namelen = sizeof(incoming.names[i]);
	count = recvmmsg(descriptor, incoming.messages, most, 0, NULL);
	if (count < 0)
		return count;
	gathering = gathering || count > 1;
	incoming.descriptor = descriptor;
	incoming.at = 0;
	incoming.count = count;
	return count < most; // nothing more is there
}

size_t batch_take(uint8_t *to, size_t room, const void **name, size_t *name_size)
{
	struct mmsghdr *message = &incoming.messages[incoming.at];
	size_t size = MIN(message->msg_len, room);

	memcpy(to, incoming.parts[incoming.at].iov_base, size);
	*name = &incoming.names[incoming.at];
	*name_size = message->msg_hdr.msg_namelen;
	had_long = had_long || message->msg_len > SHORT;
	if (++incoming.at == incoming.count && had_long) {
		madvise(incoming.slots, SLOTS * STRIDE, MADV_DONTNEED);
		had_long = false;
	}
	return size;
}

void batch_gather(bool whether)
{
	gathering = whether;
}

// Send, if need be twice: with IP_RECVERR a send may report the error of an earlier one instead of sending.
static void send_one(const struct msghdr *message)
{
	if (sendmsg(outgoing.descriptor, message, 0) < 0 && sendmsg(outgoing.descriptor, message, 0) < 0)
		unsent++;
}

void batch_flush(void)
{
	int at = 0, count = outgoing.count;

	outgoing.count = 0;
	while (at < count) {
		// By its number: on 64 bits musl sends one by one, because of ancillary data.
		int sent = count - at == 1 ? 0 : syscall(SYS_sendmmsg, outgoing.descriptor, &outgoing.messages[at], count - at, 0);

		if (sent <= 0)
			send_one(&outgoing.messages[at].msg_hdr);
		at += MAX(sent, 1);
	}
}

static void append(const mp_buffer_info_t *data, const mp_buffer_info_t *name)
{
	struct msghdr *message;

	prepare(&outgoing, SHORT);
	message = &outgoing.messages[outgoing.count].msg_hdr;
	memcpy(message->msg_iov->iov_base, data->buf, data->len);
	memcpy(message->msg_name, name->buf, name->len);
	message->msg_iov->iov_len = data->len;
	message->msg_namelen = name->len;
	outgoing.count++;
}

typedef struct {
	mp_obj_base_t base;
	int descriptor;
} sender_t;

// Sender(descriptor): a call sends data to a sockaddr, under load together with others, whose errors are only counted
static mp_obj_t sender_new(const mp_obj_type_t *type, size_t count, size_t keywords, const mp_obj_t *values)
{
	sender_t *self;

	mp_arg_check_num(count, keywords, 1, 1, false);
	self = mp_obj_malloc(sender_t, type);
	self->descriptor = mp_obj_get_int(values[0]);
	return MP_OBJ_FROM_PTR(self);
}

static mp_obj_t sender_call(mp_obj_t object, size_t count, size_t keywords, const mp_obj_t *values)
{
	sender_t *self = MP_OBJ_TO_PTR(object);
	mp_buffer_info_t data, name;
	bool alone;

	mp_arg_check_num(count, keywords, 2, 2, false);
	data = buffer_of(values[0], MP_BUFFER_READ);
	name = buffer_of(values[1], MP_BUFFER_READ);
	alone = !gathering || data.len > SHORT || name.len > sizeof(struct sockaddr_in6);
	if (outgoing.count == SLOTS || (outgoing.count && (alone || outgoing.descriptor != self->descriptor)))
		batch_flush();
	if (!alone) {
		outgoing.descriptor = self->descriptor;
		append(&data, &name);
	} else if (sendto(self->descriptor, data.buf, data.len, 0, name.buf, name.len) < 0) {
		mp_raise_OSError(errno);
	}
	return mp_const_none;
}

MP_DEFINE_CONST_OBJ_TYPE(edgeturn_sender_type, MP_QSTR_Sender, MP_TYPE_FLAG_NONE,
	make_new, sender_new, call, sender_call);

// flush() -> how many datagrams could not be sent since the last time; sends what was gathered
static mp_obj_t edgeturn_flush(void)
{
	mp_int_t lost;

	batch_flush();
	lost = unsent;
	unsent = 0;
	return MP_OBJ_NEW_SMALL_INT(lost);
}
MP_DEFINE_CONST_FUN_OBJ_0(edgeturn_flush_obj, edgeturn_flush);
