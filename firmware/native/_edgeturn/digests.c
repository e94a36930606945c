// Digests of one message and keyed digests (RFC 2104), as bytes; and a comparison that takes the same time for all.

#include <string.h>

#include "edgeturn.h"

static struct piece piece_of(mp_obj_t object)
{
	mp_buffer_info_t found = buffer_of(object, MP_BUFFER_READ);

	return (struct piece){ found.buf, found.len };
}

static mp_obj_t digest(const struct hash *hash, mp_obj_t data)
{
	struct piece whole = piece_of(data);
	uint8_t result[HASH_MOST];

	hash->of(&whole, 1, result);
	return mp_obj_new_bytes(result, hash->size);
}

static void pad(uint8_t *block, const uint8_t *key, uint8_t with)
{
	int i;

	for (i = 0; i < HASH_BLOCK; i++)
		block[i] = key[i] ^ with;
}

static mp_obj_t keyed(const struct hash *hash, mp_obj_t key, mp_obj_t data)
{
	struct piece secret = piece_of(key), pieces[2];
	uint8_t whole[HASH_BLOCK] = { 0 }, block[HASH_BLOCK], result[HASH_MOST];

	if (secret.size > HASH_BLOCK)
		hash->of(&secret, 1, whole);
	else
		memcpy(whole, secret.data, secret.size);
	pieces[0] = (struct piece){ block, HASH_BLOCK };
	pieces[1] = piece_of(data);
	pad(block, whole, 0x36);
	hash->of(pieces, 2, result);
	pieces[1] = (struct piece){ result, hash->size };
	pad(block, whole, 0x5c);
	hash->of(pieces, 2, result);
	return mp_obj_new_bytes(result, hash->size);
}

static mp_obj_t edgeturn_md5(mp_obj_t data)
{
	return digest(&hash_md5, data);
}
MP_DEFINE_CONST_FUN_OBJ_1(edgeturn_md5_obj, edgeturn_md5);

static mp_obj_t edgeturn_sha1(mp_obj_t data)
{
	return digest(&hash_sha1, data);
}
MP_DEFINE_CONST_FUN_OBJ_1(edgeturn_sha1_obj, edgeturn_sha1);

static mp_obj_t edgeturn_sha256(mp_obj_t data)
{
	return digest(&hash_sha256, data);
}
MP_DEFINE_CONST_FUN_OBJ_1(edgeturn_sha256_obj, edgeturn_sha256);

static mp_obj_t edgeturn_hmac_sha1(mp_obj_t key, mp_obj_t data)
{
	return keyed(&hash_sha1, key, data);
}
MP_DEFINE_CONST_FUN_OBJ_2(edgeturn_hmac_sha1_obj, edgeturn_hmac_sha1);

static mp_obj_t edgeturn_hmac_sha256(mp_obj_t key, mp_obj_t data)
{
	return keyed(&hash_sha256, key, data);
}
MP_DEFINE_CONST_FUN_OBJ_2(edgeturn_hmac_sha256_obj, edgeturn_hmac_sha256);

// same(left, right) -> bool, in a time that depends on the lengths only
static mp_obj_t edgeturn_same(mp_obj_t left, mp_obj_t right)
{
	struct piece one = piece_of(left), other = piece_of(right);
	volatile uint8_t difference = 0;
	size_t i;

	if (one.size != other.size)
		return mp_const_false;
	for (i = 0; i < one.size; i++)
		difference |= one.data[i] ^ other.data[i];
	return mp_obj_new_bool(difference == 0);
}
MP_DEFINE_CONST_FUN_OBJ_2(edgeturn_same_obj, edgeturn_same);
