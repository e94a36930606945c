// MD5 (RFC 1321), SHA-1 (RFC 3174) and SHA-256 (RFC 6234): one frame, three ways to mix in a block.

#include <string.h>

#include "edgeturn.h"

enum { WORDS = 16, LENGTH_SIZE = 8 };

struct algorithm {
	void (*mix)(uint32_t *state, const uint32_t *words);
	uint32_t start[8];
	uint8_t size; // of the state, in words
	bool big; // whether words are big-endian in the message
};

struct context {
	const struct algorithm *algorithm;
	uint32_t state[8];
	uint8_t block[HASH_BLOCK];
	size_t size; // of what was taken so far
};

static uint32_t left(uint32_t word, unsigned int count)
{
	return word << count | word >> (32 - count);
}

static uint32_t right(uint32_t word, unsigned int count)
{
	return left(word, 32 - count);
}

static uint32_t read_word(const uint8_t *at, bool big)
{
	uint32_t word = (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];

	return big ? word : __builtin_bswap32(word);
}

static void write_word(uint8_t *at, uint32_t word, bool big)
{
	int i;

	for (i = 0; i < 4; i++)
		at[big ? 3 - i : i] = (uint8_t)(word >> 8 * i);
}

static void mix_block(struct context *context)
{
	uint32_t words[WORDS];
	int i;

	for (i = 0; i < WORDS; i++)
		words[i] = read_word(context->block + 4 * i, context->algorithm->big);
	context->algorithm->mix(context->state, words);
}

static void take(struct context *context, const uint8_t *data, size_t size)
{
	while (size > 0) {
		size_t at = context->size % HASH_BLOCK;
		size_t part = MIN(size, HASH_BLOCK - at);

		memcpy(context->block + at, data, part);
		context->size += part;
		data += part;
		size -= part;
		if (at + part == HASH_BLOCK)
			mix_block(context);
	}
}

// The message is followed by a one bit, zeroes up to the length's place, and its length in bits.
static void finish(struct context *context, uint8_t *digest)
{
	static const uint8_t padding[HASH_BLOCK] = { 0x80 };
	bool big = context->algorithm->big;
	uint64_t bits = (uint64_t)context->size * 8;
	uint8_t length[LENGTH_SIZE];
	size_t at = context->size % HASH_BLOCK;
	int i;

	write_word(length + (big ? 4 : 0), (uint32_t)bits, big);
	write_word(length + (big ? 0 : 4), (uint32_t)(bits >> 32), big);
	take(context, padding, (at < HASH_BLOCK - LENGTH_SIZE ? 0 : HASH_BLOCK) + HASH_BLOCK - LENGTH_SIZE - at);
	take(context, length, LENGTH_SIZE);
	for (i = 0; i < context->algorithm->size; i++)
		write_word(digest + 4 * i, context->state[i], big);
}

static void hash(const struct algorithm *algorithm, const struct piece *pieces, size_t count, uint8_t *digest)
{
	struct context context = { .algorithm = algorithm };
	size_t i;

	memcpy(context.state, algorithm->start, sizeof(context.state));
	for (i = 0; i < count; i++)
		take(&context, pieces[i].data, pieces[i].size);
	finish(&context, digest);
}

// RFC 1321 §3.4: the constants are 2^32 times the sines of 1 to 64.
static const uint32_t sines[64] = {
	0xd76aa478, 0xe8c7b756, 0x242070db, 0xc1bdceee, 0xf57c0faf, 0x4787c62a, 0xa8304613, 0xfd469501,
	0x698098d8, 0x8b44f7af, 0xffff5bb1, 0x895cd7be, 0x6b901122, 0xfd987193, 0xa679438e, 0x49b40821,
	0xf61e2562, 0xc040b340, 0x265e5a51, 0xe9b6c7aa, 0xd62f105d, 0x02441453, 0xd8a1e681, 0xe7d3fbc8,
	0x21e1cde6, 0xc33707d6, 0xf4d50d87, 0x455a14ed, 0xa9e3e905, 0xfcefa3f8, 0x676f02d9, 0x8d2a4c8a,
	0xfffa3942, 0x8771f681, 0x6d9d6122, 0xfde5380c, 0xa4beea44, 0x4bdecfa9, 0xf6bb4b60, 0xbebfbc70,
	0x289b7ec6, 0xeaa127fa, 0xd4ef3085, 0x04881d05, 0xd9d4d039, 0xe6db99e5, 0x1fa27cf8, 0xc4ac5665,
	0xf4292244, 0x432aff97, 0xab9423a7, 0xfc93a039, 0x655b59c3, 0x8f0ccc92, 0xffeff47d, 0x85845dd1,
	0x6fa87e4f, 0xfe2ce6e0, 0xa3014314, 0x4e0811a1, 0xf7537e82, 0xbd3af235, 0x2ad7d2bb, 0xeb86d391,
};

static uint32_t choose(uint32_t which, uint32_t one, uint32_t other)
{
	return (which & one) | (~which & other);
}

// Returns the function of an MD5 round and the place of the word that its step takes.
static uint32_t md5_round(int step, uint32_t b, uint32_t c, uint32_t d, int *word)
{
	switch (step / 16) {
	case 0:
		*word = step;
		return choose(b, c, d);
	case 1:
		*word = (5 * step + 1) % WORDS;
		return choose(d, b, c);
	case 2:
		*word = (3 * step + 5) % WORDS;
		return b ^ c ^ d;
	default:
		*word = 7 * step % WORDS;
		return c ^ (b | ~d);
	}
}

static void md5_mix(uint32_t *state, const uint32_t *words)
{
	static const uint8_t shifts[4][4] = { { 7, 12, 17, 22 }, { 5, 9, 14, 20 }, { 4, 11, 16, 23 }, { 6, 10, 15, 21 } };
	uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
	int step, word;

	for (step = 0; step < 64; step++) {
		uint32_t sum = a + md5_round(step, b, c, d, &word) + sines[step];

		sum += words[word];
		a = d;
		d = c;
		c = b;
		b += left(sum, shifts[step / 16][step % 4]);
	}
	state[0] += a;
	state[1] += b;
	state[2] += c;
	state[3] += d;
}

static uint32_t majority(uint32_t x, uint32_t y, uint32_t z)
{
	return (x & y) | (x & z) | (y & z);
}

static uint32_t sha1_round(int step, uint32_t b, uint32_t c, uint32_t d)
{
	switch (step / 20) {
	case 0:
		return choose(b, c, d) + 0x5a827999;
	case 1:
		return (b ^ c ^ d) + 0x6ed9eba1;
	case 2:
		return majority(b, c, d) + 0x8f1bbcdc;
	default:
		return (b ^ c ^ d) + 0xca62c1d6;
	}
}

static void sha1_mix(uint32_t *state, const uint32_t *words)
{
	uint32_t a = state[0], b = state[1], c = state[2], d = state[3], e = state[4], w[80];
	int step;

	memcpy(w, words, WORDS * sizeof(*w));
	for (step = WORDS; step < 80; step++)
		w[step] = left(w[step - 3] ^ w[step - 8] ^ w[step - 14] ^ w[step - 16], 1);
	for (step = 0; step < 80; step++) {
		uint32_t sum = left(a, 5) + sha1_round(step, b, c, d) + e + w[step];

		e = d;
		d = c;
		c = left(b, 30);
		b = a;
		a = sum;
	}
	state[0] += a;
	state[1] += b;
	state[2] += c;
	state[3] += d;
	state[4] += e;
}

// RFC 6234 §5.1: of the cube roots of the first 64 primes.
static const uint32_t roots[64] = {
	0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
	0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
	0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
	0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
	0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
	0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
	0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
	0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static void sha256_schedule(uint32_t *w, const uint32_t *words)
{
	int step;

	memcpy(w, words, WORDS * sizeof(*w));
	for (step = WORDS; step < 64; step++) {
		uint32_t near = w[step - 2], far = w[step - 15];

		w[step] = w[step - 16] + w[step - 7] + (right(near, 17) ^ right(near, 19) ^ near >> 10)
			+ (right(far, 7) ^ right(far, 18) ^ far >> 3);
	}
}

static void sha256_mix(uint32_t *state, const uint32_t *words)
{
	uint32_t w[64], s[8];
	int step, i;

	sha256_schedule(w, words);
	memcpy(s, state, sizeof(s));
	for (step = 0; step < 64; step++) {
		uint32_t first = s[7] + (right(s[4], 6) ^ right(s[4], 11) ^ right(s[4], 25)) + choose(s[4], s[5], s[6])
			+ roots[step] + w[step];
		uint32_t second = (right(s[0], 2) ^ right(s[0], 13) ^ right(s[0], 22)) + majority(s[0], s[1], s[2]);

		memmove(s + 1, s, 7 * sizeof(*s));
		s[4] += first;
		s[0] = first + second;
	}
	for (i = 0; i < 8; i++)
		state[i] += s[i];
}

static const struct algorithm md5 = {
	md5_mix, { 0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476 }, 4, false,
};
static const struct algorithm sha1 = {
	sha1_mix, { 0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0 }, 5, true,
};
static const struct algorithm sha256 = {
	sha256_mix,
	{ 0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19 },
	8,
	true,
};

static void md5_of(const struct piece *pieces, size_t count, uint8_t *digest)
{
	hash(&md5, pieces, count, digest);
}

static void sha1_of(const struct piece *pieces, size_t count, uint8_t *digest)
{
	hash(&sha1, pieces, count, digest);
}

static void sha256_of(const struct piece *pieces, size_t count, uint8_t *digest)
{
	hash(&sha256, pieces, count, digest);
}

const struct hash hash_md5 = { 16, md5_of }, hash_sha1 = { 20, sha1_of }, hash_sha256 = { 32, sha256_of };
