// Datagrams with ancillary data: TTL, TOS, packet info, ICMP errors. Each is a list of (level, type, data).

#include <errno.h>
#include <string.h>

#include "edgeturn.h"

enum { ANCILLARY_SIZE = 512, MEMBERS = 3 };

union control {
	struct cmsghdr aligned;
	uint8_t bytes[ANCILLARY_SIZE];
};

static mp_obj_t list_of(struct msghdr *message)
{
	mp_obj_t list = mp_obj_new_list(0, NULL);
	struct cmsghdr *at;

	for (at = CMSG_FIRSTHDR(message); at != NULL; at = CMSG_NXTHDR(message, at)) {
		mp_obj_t members[MEMBERS] = {
			mp_obj_new_int(at->cmsg_level),
			mp_obj_new_int(at->cmsg_type),
			mp_obj_new_bytes(CMSG_DATA(at), at->cmsg_len - CMSG_LEN(0)),
		};

		mp_obj_list_append(list, mp_obj_new_tuple(MEMBERS, members));
	}
	return list;
}

// receive_message(descriptor, buffer, flags) -> (size, ancillary, flags, sockaddr)
static mp_obj_t edgeturn_receive_message(size_t count, const mp_obj_t *values)
{
	mp_buffer_info_t to = buffer_of(values[1], MP_BUFFER_RW);
	struct sockaddr_storage name;
	union control control;
	struct iovec part = { to.buf, to.len };
	struct msghdr message = {
		.msg_name = &name,
		.msg_namelen = sizeof(name),
		.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	ssize_t size = recvmsg(mp_obj_get_int(values[0]), &message, mp_obj_get_int(values[2]));
	mp_obj_t result[4];

	(void)count;
	if (size < 0)
		mp_raise_OSError(errno);
	result[0] = mp_obj_new_int(size);
	result[1] = list_of(&message);
	result[2] = mp_obj_new_int(message.msg_flags);
	result[3] = mp_obj_new_bytes((const byte *)&name, message.msg_namelen);
	return mp_obj_new_tuple(MP_ARRAY_SIZE(result), result);
}
MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(edgeturn_receive_message_obj, 3, 3, edgeturn_receive_message);

// Write one (level, type, data) behind the others; return how much room it took.
static size_t write_ancillary(union control *control, size_t used, mp_obj_t row)
{
	struct cmsghdr *at = (struct cmsghdr *)(control->bytes + used);
	mp_obj_t *members;
	mp_buffer_info_t data;

	mp_obj_get_array_fixed_n(row, MEMBERS, &members);
	data = buffer_of(members[2], MP_BUFFER_READ);
	if (data.len > sizeof(*control) || CMSG_SPACE(data.len) > sizeof(*control) - used)
		mp_raise_ValueError(MP_ERROR_TEXT("buffer too small"));
	at->cmsg_level = mp_obj_get_int(members[0]);
	at->cmsg_type = mp_obj_get_int(members[1]);
	at->cmsg_len = CMSG_LEN(data.len);
	memcpy(CMSG_DATA(at), data.buf, data.len);
	return CMSG_SPACE(data.len);
}

// send_message(descriptor, data, sockaddr, ancillary) -> size
static mp_obj_t edgeturn_send_message(size_t count, const mp_obj_t *values)
{
	mp_buffer_info_t data = buffer_of(values[1], MP_BUFFER_READ), name = buffer_of(values[2], MP_BUFFER_READ);
	union control control = { .bytes = { 0 } };
	struct iovec part = { data.buf, data.len };
	struct msghdr message = { .msg_name = name.buf, .msg_namelen = name.len, .msg_iov = &part, .msg_iovlen = 1 };
	size_t rows, i;
	mp_obj_t *row;
	ssize_t size;

	(void)count;
	mp_obj_get_array(values[3], &rows, &row);
	for (i = 0; i < rows; i++)
		message.msg_controllen += write_ancillary(&control, message.msg_controllen, row[i]);
	message.msg_control = message.msg_controllen ? &control : NULL;
	size = sendmsg(mp_obj_get_int(values[0]), &message, 0);
	if (size < 0)
		mp_raise_OSError(errno);
	return mp_obj_new_int(size);
}
MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(edgeturn_send_message_obj, 4, 4, edgeturn_send_message);
