/* Runs packets through a loaded program by BPF_PROG_TEST_RUN and compares what comes out with what was expected.
 *
 * Rule 1: a batch is a row of cases, each a `struct one` and its bytes: the packet, then what is expected of it, if that
 *         isn't the packet itself.
 * Rule 2: it knows nothing of the rewrite but where an IPv4 header's identification and checksum stand.
 */
#include <errno.h>
#include <linux/bpf.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SAME 0xffffffff /* as expected size: what goes in comes out */
#define IDENTIFICATION 1
#define LINK_ADDRESSES 2
#define ADDRESSES 12
#define IP 14
#define ROOM 8192
#define RUN_XDP 2

struct one {
	uint32_t size, expected_size;
	int32_t code;
	uint32_t free, interface, segment;
};

struct wrong {
	uint32_t number;
	int32_t code; /* what the program returned, or minus errno */
	uint32_t size;
	uint8_t data[ROOM];
};

static void sum_header(uint8_t *ip)
{
	uint32_t sum = 0;

	ip[10] = ip[11] = 0;
	for (int at = 0; at < 20; at += 2)
		sum += ip[at] << 8 | ip[at + 1];
	sum = (sum & 0xffff) + (sum >> 16);
	sum = ~(sum + (sum >> 16)) & 0xffff;
	ip[10] = sum >> 8;
	ip[11] = sum;
}

/* Take over what the program was free to choose. */
static void take_free(const struct one *one, const uint8_t *packet, uint8_t *expected, const uint8_t *out)
{
	if (one->free & IDENTIFICATION) {
		memcpy(expected + IP + 4, out + IP + 4, 2);
		sum_header(expected + IP);
	}
	if (one->free & LINK_ADDRESSES && !memcmp(packet, out, ADDRESSES))
		memcpy(expected, out, ADDRESSES);
}

static int run_one(int program, int kind, const struct one *one, const uint8_t *packet, struct wrong *got)
{
	struct __sk_buff skb = {.ifindex = one->interface, .gso_size = one->segment, .gso_segs = one->segment ? 2 : 0};
	struct xdp_md xdp = {.data_end = one->size, .ingress_ifindex = one->interface};
	union bpf_attr attributes;

	memset(&attributes, 0, sizeof(attributes));
	attributes.test.prog_fd = program;
	attributes.test.data_in = (uintptr_t)packet;
	attributes.test.data_size_in = one->size;
	attributes.test.data_out = (uintptr_t)got->data;
	attributes.test.data_size_out = ROOM;
	attributes.test.ctx_in = kind == RUN_XDP ? (uintptr_t)&xdp : (uintptr_t)&skb;
	attributes.test.ctx_size_in = kind == RUN_XDP ? sizeof(xdp) : sizeof(skb);
	if (syscall(SYS_bpf, BPF_PROG_TEST_RUN, &attributes, sizeof(attributes)))
		return -errno;
	got->size = attributes.test.data_size_out;
	return attributes.test.retval;
}

/* Return how many of a batch's cases came out wrong; the first of them are kept in `wrongs`, of which there's one more
 * than `room`. */
int run(int program, int kind, uint8_t *batch, int count, struct wrong *wrongs, int room)
{
	int found = 0;

	for (int number = 0; number < count; number++) {
		struct one *one = (struct one *)batch;
		uint8_t *packet = batch + sizeof(*one), *expected = packet;
		struct wrong *got = wrongs + (found < room ? found : room);
		uint32_t size = one->size;

		got->size = 0;
		got->number = number;
		batch = packet + one->size;
		if (one->expected_size != SAME) {
			expected = batch;
			size = one->expected_size;
			batch += size;
		}
		batch += -(uintptr_t)batch & 3;
		got->code = run_one(program, kind, one, packet, got);
		if (got->size == size)
			take_free(one, packet, expected, got->data);
		found += got->code != one->code || got->size != size || memcmp(got->data, expected, size);
	}
	return found;
}
