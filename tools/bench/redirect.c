/* The bare redirect: every IPv4 packet gets other Ethernet addresses and goes out elsewhere; what a hook costs at least. */
#include "frames.h"

extern const char out[] __attribute__((weak));   /* the interface to send through */
extern const char first[] __attribute__((weak)); /* of the Ethernet addresses, 8 bytes … */
extern const char last[] __attribute__((weak));  /* … and 4 */

INLINE int addressed(void *data, void *end)
{
	if (!is_ipv4(data, end))
		return 0;
	*(__u64 *)data = (__u64)first;
	*(__u32 *)(data + 8) = (__u32)(__u64)last;
	return 1;
}

SEC("tc") int redirect_tc(struct __sk_buff *packet)
{
	if (!addressed((void *)(long)packet->data, (void *)(long)packet->data_end))
		return TC_ACT_UNSPEC;
	return redirect((__u32)(__u64)out, 0);
}

SEC("xdp") int redirect_xdp(struct xdp_md *packet)
{
	if (!addressed((void *)(long)packet->data, (void *)(long)packet->data_end))
		return XDP_PASS;
	return redirect((__u32)(__u64)out, 0);
}
