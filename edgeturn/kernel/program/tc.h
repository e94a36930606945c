/* The hook of tc, ingress of clsact: headers or payload move, and the packet goes out by the neighbour table. */
#ifndef EDGETURN_TC_H
#define EDGETURN_TC_H

#include <linux/pkt_cls.h>

#include "rewrite.h"

#define PACKET_HOST 0 /* linux/if_packet.h */

/* Move the headers to where they belong; the kernel keeps the sum over the packet, if it has one. */
INLINE long move_headers(struct __sk_buff *skb, const struct packet *packet, const struct decision *to)
{
	long no = 0;

	if (packet->ipv4 != to->ipv4)
		no = change_proto(skb, to->ipv4 ? SWAP16(ETH_P_IP) : SWAP16(ETH_P_IPV6), 0);
	if (!no && to->room)
		no = adjust_room(skb, to->room, BPF_ADJ_ROOM_NET, 0);
	return no;
}

/* Return what must be added to a sum to get another. */
INLINE __u32 difference(__u32 to, __u32 from)
{
	__u64 sum = (__u64)to + (__u32)~from;

	return (__u32)sum + (__u32)(sum >> 32);
}

/* Add the sum over the headers to another; 0 where they aren't there. */
INLINE __u32 add_headers(void *network, void *end, int ipv4, int channel, __u32 sum)
{
	__u64 size = (ipv4 ? IPV4_HEADER : IPV6_HEADER) + UDP_HEADER;
	struct channel_data *data;

	asm volatile("" : "+r"(size)); /* asked twice for the family, verifiers before Linux 6.8 take two answers */
	data = network + size;
	if ((void *)data > end)
		return 0;
	sum = csum_diff(0, 0, network, size, sum);
	if (channel && (void *)(data + 1) <= end)
		sum = csum_diff(0, 0, (void *)data, CHANNEL_HEADER, sum);
	return sum;
}

/* Move the payload: what the kernel remembers of the UDP header's place stays true. */
INLINE long move_payload(struct __sk_buff *skb, const struct packet *packet, const struct decision *to)
{
	__u32 size = to->bytes, zero = 0;
	__u32 at = LINK + (packet->ipv4 ? IPV4_HEADER : IPV6_HEADER) + UDP_HEADER;
	__u32 from = at + packet->payload - size, onto = at + to->payload - size;
	__u64 last = (__u64)size - 1; /* verifiers before Linux 6.8 don't learn from "isn't 0" that it's more */
	void *kept = look_up(scratch, &zero);
	long no = 0;

	asm volatile("" : "+r"(last));
	if (!kept || size > SCRATCH)
		return -1;
	if (last < SCRATCH && load_bytes(skb, from, kept, last + 1))
		return -1;
	if (to->room)
		no = change_tail(skb, at + to->payload, 0);
	if (!no && last < SCRATCH)
		no = store_bytes(skb, onto, kept, last + 1, 0);
	if (!no && packet->ipv4 != to->ipv4)
		no = change_proto(skb, to->ipv4 ? SWAP16(ETH_P_IP) : SWAP16(ETH_P_IPV6), 0);
	return no;
}

/* Send the packet out. One a second goes through the neighbour table, which so learns that the entry is in use. */
INLINE int send_out(struct __sk_buff *skb, struct decision *to)
{
	const struct counter *route = to->route;
	struct ethernet *ethernet;

	if (!LINK && change_head(skb, ETH_HLEN, 0))
		return TC_ACT_SHOT;
	ethernet = (void *)(long)skb->data;
	if ((void *)(ethernet + 1) > (void *)(long)skb->data_end)
		return TC_ACT_SHOT;
	ethernet->kind = to->ipv4 ? SWAP16(ETH_P_IP) : SWAP16(ETH_P_IPV6);
	if (route->route_kind == BY_ETHERNET && (!to->fresh || to->summed)) {
		__builtin_memcpy(ethernet->addresses, route->ethernet, sizeof(ethernet->addresses));
		return redirect(route->interface, 0);
	}
	if (!to->fresh) {
		to->next.nh_family = route->route_kind == BY_IPV4 ? AF_INET : AF_INET6;
		__builtin_memcpy(to->next.ipv6_nh, route->next_hop, sizeof(to->next.ipv6_nh));
	}
	return redirect_neigh(route->interface, &to->next, sizeof(to->next), 0);
}

INLINE int carry(struct __sk_buff *skb, const struct packet *packet, struct decision *to)
{
	__u32 check_at = LINK + (to->ipv4 ? IPV4_HEADER : IPV6_HEADER) + 6;
	__s64 whole = csum_update(skb, 0); /* the sum over the packet that some devices deliver, or < 0 */
	void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
	__u16 check;
	__u32 sum = 0;

	if (whole >= 0) { /* keep of it what isn't rewritten; what looks as if left to the device only looks so */
		to->partial = 0;
		sum = ~add_headers(data + LINK, end, packet->ipv4, packet->key.channel, ~(__u32)whole);
	}
	check = to->partial ? packet->udp_check : updated_check(packet, to);
	if (to->partial ? move_payload(skb, packet, to) : move_headers(skb, packet, to))
		return TC_ACT_SHOT;
	data = (void *)(long)skb->data;
	if (!write(data + LINK, (void *)(long)skb->data_end, packet, to, check))
		return TC_ACT_SHOT;
	if (to->partial) {
		l4_csum_replace(skb, check_at, 0, to->pseudo_change, BPF_F_PSEUDO_HDR | BPF_F_MARK_MANGLED_0);
		l4_csum_replace(skb, check_at, 0, fold_few(to->change + (__u16)~to->pseudo_change), BPF_F_MARK_MANGLED_0);
	} else if (whole >= 0) {
		sum = add_headers(data + LINK, (void *)(long)skb->data_end, to->ipv4, to->channel, sum);
		csum_update(skb, difference(sum, csum_update(skb, 0)));
		to->summed = 1;
	}
	return send_out(skb, to);
}

INLINE int read_skb(struct packet *packet, struct __sk_buff *skb)
{
	void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end, *network = data + LINK;
	int no;

	if (skb->protocol == SWAP16(ETH_P_IP)) {
		no = read_ipv4(packet, network, end);
		return no ? no : read_udp(packet, network + IPV4_HEADER, end);
	}
	no = read_ipv6(packet, network, end);
	return no ? no : read_udp(packet, network + IPV6_HEADER, end);
}

SEC("tc") int edgeturn_tc(struct __sk_buff *skb)
{
	struct packet packet = {};
	struct decision to = {};
	int no;

	if (skb->protocol == SWAP16(PROBE)) {
		tally(SEEN, skb->len);
		return TC_ACT_UNSPEC; /* another relay may have sent it; nobody else takes it */
	}
	if (skb->protocol != SWAP16(ETH_P_IP) && skb->protocol != SWAP16(ETH_P_IPV6))
		return TC_ACT_UNSPEC;
	if (skb->vlan_present || skb->pkt_type != PACKET_HOST)
		return TC_ACT_UNSPEC;
	if (skb->data + LINK + HEADERS > skb->data_end)
		pull_data(skb, skb->len < LINK + HEADERS ? skb->len : LINK + HEADERS);
	no = read_skb(&packet, skb);
	if (!no) {
		packet.payload = skb->len - LINK - (packet.ipv4 ? IPV4_HEADER : IPV6_HEADER) - UDP_HEADER;
		no = decide(&to, &packet, skb, skb->ifindex, skb->len - LINK, skb->gso_size);
	}
	if (no) {
		if (no < OUTCOMES)
			tally(no, skb->len);
		return TC_ACT_UNSPEC;
	}
	if (!account(&to))
		return TC_ACT_SHOT;
	return carry(skb, &packet, &to);
}

#endif
