// What the files of the module share.

#ifndef EDGETURN_H
#define EDGETURN_H

#include <sys/socket.h>

#include "py/obj.h"
#include "py/runtime.h"

// hashes.c: a message's digest; the size of a block is 64 bytes for each of them.
enum { HASH_BLOCK = 64, HASH_MOST = 32 };

struct piece {
	const uint8_t *data;
	size_t size;
};

struct hash {
	size_t size;
	void (*of)(const struct piece *pieces, size_t count, uint8_t *digest);
};

extern const struct hash hash_md5, hash_sha1, hash_sha256;

// batches.c: a batch of datagrams that came, of one socket, and one of what is to be sent.
int batch_owner(void); // whose datagrams are still there, -1: nobody's
void batch_forget(int descriptor);
int batch_fetch(int descriptor, int most); // says whether the socket is empty now, -1: errno
size_t batch_take(uint8_t *to, size_t room, const void **name, size_t *name_size);
void batch_gather(bool whether); // rather than send one by one
void batch_flush(void);

extern unsigned poller_turns; // poller.c: how many waits there were

// What the module's table of names refers to.
extern const mp_obj_type_t edgeturn_receiver_type, edgeturn_sender_type, edgeturn_poller_type, edgeturn_table_type;

MP_DECLARE_CONST_FUN_OBJ_VAR(edgeturn_call_obj);
MP_DECLARE_CONST_FUN_OBJ_1(edgeturn_address_of_obj);
MP_DECLARE_CONST_FUN_OBJ_2(edgeturn_bpf_obj);
MP_DECLARE_CONST_FUN_OBJ_0(edgeturn_clock_obj);
MP_DECLARE_CONST_FUN_OBJ_1(edgeturn_room_obj);
MP_DECLARE_CONST_FUN_OBJ_0(edgeturn_release_obj);
MP_DECLARE_CONST_FUN_OBJ_1(edgeturn_md5_obj);
MP_DECLARE_CONST_FUN_OBJ_1(edgeturn_sha1_obj);
MP_DECLARE_CONST_FUN_OBJ_1(edgeturn_sha256_obj);
MP_DECLARE_CONST_FUN_OBJ_2(edgeturn_hmac_sha1_obj);
MP_DECLARE_CONST_FUN_OBJ_2(edgeturn_hmac_sha256_obj);
MP_DECLARE_CONST_FUN_OBJ_2(edgeturn_same_obj);
MP_DECLARE_CONST_FUN_OBJ_VAR_BETWEEN(edgeturn_unpack_pair_obj);
MP_DECLARE_CONST_FUN_OBJ_VAR_BETWEEN(edgeturn_pack_pair_obj);
MP_DECLARE_CONST_FUN_OBJ_VAR_BETWEEN(edgeturn_datagram_obj);
MP_DECLARE_CONST_FUN_OBJ_0(edgeturn_flush_obj);
MP_DECLARE_CONST_FUN_OBJ_2(edgeturn_receive_obj);
MP_DECLARE_CONST_FUN_OBJ_VAR_BETWEEN(edgeturn_receive_message_obj);
MP_DECLARE_CONST_FUN_OBJ_VAR_BETWEEN(edgeturn_send_message_obj);
MP_DECLARE_CONST_FUN_OBJ_VAR_BETWEEN(edgeturn_open_sealed_obj);
MP_DECLARE_CONST_FUN_OBJ_1(edgeturn_catch_signals_obj);
MP_DECLARE_CONST_FUN_OBJ_0(edgeturn_caught_signals_obj);

// Where a buffer is, and that much of it; TypeError where an object has none.
static inline mp_buffer_info_t buffer_of(mp_obj_t object, mp_uint_t access)
{
	mp_buffer_info_t found;

	mp_get_buffer_raise(object, &found, access);
	return found;
}

#endif
