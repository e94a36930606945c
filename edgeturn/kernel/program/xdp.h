/* The hook of XDP, native only: a generic one leaves CHECKSUM_PARTIAL behind. */
#ifndef EDGETURN_XDP_H
#define EDGETURN_XDP_H


#include "rewrite.h"

#define CHUNK 128
#define REACH 0xfff /* no frame is longer */

/* Sum up so many bytes of a packet. The place of the last ones is masked: the verifier follows each place that it knows
 * exactly by itself, which were 200 000 instructions more to look at.
 */
INLINE __u16 sum_up(void *begin, void *end, __u32 size)
{
	__u32 at = size & REACH & -CHUNK;
	void *piece = begin;
	__s64 sum = 0;
	__u64 rest = 0;

#pragma clang loop unroll(disable)
	for (__u32 done = CHUNK; done <= SCRATCH + HEADERS && done <= size && piece + CHUNK <= end; done += CHUNK) {
		sum = csum_diff(0, 0, piece, CHUNK, sum);
		piece += CHUNK;
	}
#pragma unroll
	for (int part = CHUNK / 2; part >= 4; part /= 2)
		if (size & part) {
			piece = begin + (at & REACH);
			if (piece + part > end)
				return 0;
			sum = csum_diff(0, 0, piece, part, sum);
			at += part;
		}
	piece = begin + (at & REACH);
	if (size & 2 && piece + 2 <= end) {
		rest += *(__u16 *)piece;
		at += 2;
	}
	piece = begin + (at & REACH);
	if (size & 1 && piece + 1 <= end)
		rest += SWAP16(*(__u8 *)piece << 8);
	return fold((__u32)sum + rest);
}

/* Compute a UDP checksum over a whole packet: its headers are written, with zero in the place of the checksum. */
INLINE void finish_check(void *network, void *end, const struct decision *to)
{
	struct udp *udp = network + (to->ipv4 ? IPV4_HEADER : IPV6_HEADER);
	__u64 sum = add_addresses(to->flow.source, to->flow.destination);
	__u16 check;

	if ((void *)(udp + 1) > end)
		return;
	sum += SWAP16(IPPROTO_UDP) + udp->length + sum_up(udp, end, to->payload + UDP_HEADER);
	check = ~fold(sum);
	udp->check = check ? check : 0xffff;
}

INLINE int read_frame(struct packet *packet, struct xdp_md *xdp)
{
	void *data = (void *)(long)xdp->data, *end = (void *)(long)xdp->data_end;
	struct ethernet *ethernet = data;
	void *network = ethernet + 1;
	int no;

	if (network > end || *(__u8 *)ethernet & 1) /* to many */
		return OUTCOMES;
	if (ethernet->kind == SWAP16(ETH_P_IP)) {
		no = read_ipv4(packet, network, end);
		return no ? no : read_udp(packet, network + IPV4_HEADER, end);
	}
	if (ethernet->kind == SWAP16(ETH_P_IPV6)) {
		no = read_ipv6(packet, network, end);
		return no ? no : read_udp(packet, network + IPV6_HEADER, end);
	}
	return OUTCOMES;
}

/* Tell what neighbours send when they are asked: it proves that frames get here. */
INLINE int is_answer(struct xdp_md *xdp)
{
	void *data = (void *)(long)xdp->data, *end = (void *)(long)xdp->data_end;
	struct ethernet *ethernet = data;
	struct ipv6 *ip = (void *)(ethernet + 1);

	if ((void *)(ethernet + 1) > end)
		return 0;
	if (ethernet->kind == SWAP16(ETH_P_ARP))
		return 1;
	return ethernet->kind == SWAP16(ETH_P_IPV6) && (void *)(ip + 1) <= end && ip->next_header == IPPROTO_ICMPV6;
}

INLINE int carry_frame(struct xdp_md *xdp, const struct packet *packet, const struct decision *to)
{
	int grows = to->room + (to->ipv4 ? IPV4_HEADER : IPV6_HEADER) - (packet->ipv4 ? IPV4_HEADER : IPV6_HEADER);
	struct ethernet *ethernet;
	void *end;

	if (grows && adjust_head(xdp, -grows))
		return XDP_DROP;
	ethernet = (void *)(long)xdp->data;
	end = (void *)(long)xdp->data_end;
	if ((void *)(ethernet + 1) > end)
		return XDP_DROP;
	if (!write(ethernet + 1, end, packet, to, to->partial ? 0 : updated_check(packet, to)))
		return XDP_DROP;
	if (to->partial)
		finish_check(ethernet + 1, end, to);
	__builtin_memcpy(ethernet->addresses, to->route->ethernet, sizeof(ethernet->addresses));
	ethernet->kind = to->ipv4 ? SWAP16(ETH_P_IP) : SWAP16(ETH_P_IPV6);
	return redirect_map(devices, to->route->interface, 0);
}

SEC("xdp") int edgeturn_xdp(struct xdp_md *xdp)
{
	__u32 size = xdp->data_end - xdp->data;
	struct packet packet = {};
	struct decision to = {};
	int no = read_frame(&packet, xdp);

	if (!no)
		no = decide(&to, &packet, xdp, xdp->ingress_ifindex, size - ETH_HLEN, 0);
	else if (is_answer(xdp))
		tally(SEEN, size);
	if (!no && to.route->route_kind != BY_ETHERNET)
		no = NEIGHBOUR;
	if (!no && !look_up(devices, &to.route->interface))
		no = DEVICE;
	if (no) {
		if (no < OUTCOMES)
			tally(no, size);
		return XDP_PASS;
	}
	if (!account(&to))
		return XDP_DROP;
	return carry_frame(xdp, &packet, &to);
}

#endif
