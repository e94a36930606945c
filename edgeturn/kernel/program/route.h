/* The way out: the kernel's own routes, asked once a second for each flow and CPU. */
#ifndef EDGETURN_ROUTE_H
#define EDGETURN_ROUTE_H

#include "packet.h"

enum route_kind { NO_ROUTE, BY_ETHERNET, BY_IPV4, BY_IPV6, TO_US };

/* What becomes of it. */
struct decision {
	struct flow flow;           /* what it is rewritten by: a copy, for its place in the map may be another's soon */
	struct counter *route;      /* the flow's: the way out */
	const struct flow *first;   /* where it goes from one client of ours to another: the flow that it came by … */
	struct counter *passed;     /* … and its counter */
	struct bpf_redir_neigh next;
	__u64 now;
	__u32 bytes;                /* what client and peer exchange */
	__u32 payload;              /* behind the UDP header */
	__u32 size;                 /* of the IP packet */
	int room;                   /* by how many bytes the UDP payload grows */
	__u16 address_change;       /* what sums change by: of the addresses, … */
	__u16 pseudo_change;        /* … of the pseudo header, … */
	__u16 change;               /* … of all that the UDP checksum covers */
	__be16 channel;             /* 0: to a peer */
	__u8 ipv4;
	__u8 partial;
	__u8 summed;                /* there's a sum over the packet, and redirect_neigh doesn't keep it right */
	__u8 fresh;                 /* the route was just looked up, and `next` holds the next hop */
};

INLINE int reason(long code)
{
	switch (code) {
	case BPF_FIB_LKUP_RET_FWD_DISABLED:
		return FORWARDING;
	case BPF_FIB_LKUP_RET_FRAG_NEEDED:
		return MTU;
	default:
		return ROUTE;
	}
}

/* Keep what the checksums of a flow's packets change by. */
INLINE void keep_sums(struct counter *kept, const __be32 *local, const __be32 *remote, __u32 ports, const struct flow *flow)
{
	__u16 before = fold(add_addresses(local, remote));

	kept->before = before;
	kept->addresses = fold(add_addresses(flow->source, flow->destination) + (__u16)~before);
	kept->all = fold((__u64)kept->addresses + flow->source_port + flow->destination_port + (__u16)~fold(ports));
}

INLINE void keep_route(struct counter *kept, const struct bpf_fib_lookup *answer, long code)
{
	if (code == BPF_FIB_LKUP_RET_SUCCESS) {
		__builtin_memcpy(kept->ethernet, answer->dmac, ETH_ALEN);
		__builtin_memcpy(kept->ethernet + ETH_ALEN / 2, answer->smac, ETH_ALEN);
		kept->route_kind = BY_ETHERNET;
	} else if (code == BPF_FIB_LKUP_RET_NO_NEIGH) {
		__builtin_memcpy(kept->next_hop, answer->ipv6_dst, sizeof(kept->next_hop));
		kept->route_kind = answer->family == AF_INET ? BY_IPV4 : BY_IPV6;
	} else {
		kept->route_kind = code == BPF_FIB_LKUP_RET_NOT_FWDED ? TO_US : NO_ROUTE;
	}
}

/* Ask the kernel for the way from a flow's source to its destination, and keep it for a second. */
INLINE int ask(void *context, __u32 interface, const struct packet *packet, struct decision *to)
{
	const struct flow *flow = &to->flow;
	struct bpf_fib_lookup asked = {};
	long code;

	asked.l4_protocol = IPPROTO_UDP;
	asked.sport = flow->source_port;
	asked.dport = flow->destination_port;
	asked.tot_len = to->size;
	asked.ifindex = interface;
	if (to->ipv4) {
		asked.family = AF_INET;
		asked.tos = packet->tos;
		asked.ipv4_src = flow->source[3];
		asked.ipv4_dst = flow->destination[3];
	} else {
		asked.family = AF_INET6;
		asked.flowinfo = SWAP32(packet->tos << 20);
		__builtin_memcpy(asked.ipv6_src, flow->source, sizeof(asked.ipv6_src));
		__builtin_memcpy(asked.ipv6_dst, flow->destination, sizeof(asked.ipv6_dst));
	}
	code = fib_lookup(context, &asked, sizeof(asked), 0);
	keep_route(to->route, &asked, code);
	to->route->interface = asked.ifindex;
	to->route->mtu = code ? to->size : asked.tot_len; /* the union's mtu_result */
	to->route->route_expires = to->now + SECOND;
	to->fresh = 1;
	to->next.nh_family = asked.family;
	__builtin_memcpy(to->next.ipv6_nh, asked.ipv6_dst, sizeof(asked.ipv6_dst)); /* of IPv4 the first word */
	return to->route->route_kind == NO_ROUTE ? reason(code) : 0;
}

INLINE int has_route(const struct decision *to)
{
	return LIKELY(to->route->route_expires > to->now && to->route->route_kind && to->size <= to->route->mtu);
}

#endif
