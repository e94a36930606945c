/* What the kernel programs of the bench share.
 *
 * Rule 1: a frame of the bench is UDP over IPv4 over Ethernet, and its payload is filled with 0xA5; all else passes.
 * Rule 2: maps and constants are put in by tools/bench/frames.py.
 */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>

#define SEC(name) __attribute__((section(name), used))
#define INLINE static inline __attribute__((always_inline))
#define ETHERTYPE 12
#define PROTOCOL 23
#define PAYLOAD 42
#define CHANNEL_HEADER 4
#define MARK 0xa5a5a5a5

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define IPV4 0x0008
#else
#define IPV4 0x0800
#endif

static void *(*const look_up)(const void *map, const void *key) = (void *)BPF_FUNC_map_lookup_elem;
static long (*const redirect)(__u32, __u64) = (void *)BPF_FUNC_redirect;

char license_of_program[] SEC("license") = "GPL";

INLINE int is_ipv4(void *data, void *end)
{
	return data + PAYLOAD + 2 * CHANNEL_HEADER <= end && *(__u16 *)(data + ETHERTYPE) == IPV4;
}
