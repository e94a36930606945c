/* Counts and drops the frames of the bench, so that the far end costs as little as a network card would. */
#include "frames.h"

char arrived[1] SEC("maps"); /* two numbers for each CPU: payloads that stood alone, those behind a ChannelData header */

INLINE int counted(void *data, void *end)
{
	__u32 place = 0;
	__u64 *count;

	if (!is_ipv4(data, end) || *(__u8 *)(data + PROTOCOL) != 17)
		return 0;
	if (*(__u32 *)(data + PAYLOAD) != MARK) {
		if (*(__u32 *)(data + PAYLOAD + CHANNEL_HEADER) != MARK)
			return 0;
		place = 1;
	}
	count = look_up(arrived, &place);
	if (count)
		++*count;
	return 1;
}

SEC("tc") int sink_tc(struct __sk_buff *packet)
{
	return counted((void *)(long)packet->data, (void *)(long)packet->data_end) ? TC_ACT_SHOT : TC_ACT_UNSPEC;
}

SEC("xdp") int sink_xdp(struct xdp_md *packet)
{
	return counted((void *)(long)packet->data, (void *)(long)packet->data_end) ? XDP_DROP : XDP_PASS;
}
