// AES-GCM (RFC 5116 §5) by the library that TLS brings: what the tokens of RFC 7635 are sealed with.

#include "edgeturn.h"

#if MICROPY_SSL_MBEDTLS

#include "mbedtls/gcm.h"

enum { TAG_SIZE = 16 };

static int open_in(mbedtls_gcm_context *cipher, const mp_buffer_info_t *of, uint8_t *plain)
{
	size_t size = of[2].len - TAG_SIZE;
	const uint8_t *sealed = of[2].buf;
	int error = mbedtls_gcm_setkey(cipher, MBEDTLS_CIPHER_ID_AES, of[0].buf, of[0].len * 8);

	if (error == 0)
		error = mbedtls_gcm_auth_decrypt(cipher, size, of[1].buf, of[1].len, of[3].buf, of[3].len,
			sealed + size, TAG_SIZE, sealed, plain);
	return error;
}

// open_sealed(key, nonce, data with its tag, associated data) -> bytes, None where they're forged
static mp_obj_t edgeturn_open_sealed(size_t count, const mp_obj_t *values)
{
	mbedtls_gcm_context cipher;
	mp_buffer_info_t of[4];
	vstr_t plain;
	size_t i;
	int error;

	for (i = 0; i < count; i++)
		of[i] = buffer_of(values[i], MP_BUFFER_READ);
	if (of[2].len < TAG_SIZE)
		return mp_const_none;
	vstr_init_len(&plain, of[2].len - TAG_SIZE);
	mbedtls_gcm_init(&cipher);
	error = open_in(&cipher, of, (uint8_t *)plain.buf);
	mbedtls_gcm_free(&cipher);
	return error == 0 ? mp_obj_new_bytes_from_vstr(&plain) : mp_const_none;
}
MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(edgeturn_open_sealed_obj, 4, 4, edgeturn_open_sealed);

#endif
