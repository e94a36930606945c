/* Deciding: by which flow a packet is rewritten, if at all; nothing is modified before. */
#ifndef EDGETURN_DECIDE_H
#define EDGETURN_DECIDE_H

#include "rates.h"
#include "route.h"

INLINE const struct flow *find(struct packet *packet)
{
	const struct flow *flow;
	__u16 channel = SWAP16(packet->key.channel);

	if (packet->ipv4 != is_ipv4(packet->key.local)) /* nobody sends to a mapped address by IPv6 */
		return 0;
	if (channel >= CHANNEL_FIRST && channel <= CHANNEL_LAST) {
		flow = look_up(flows, &packet->key);
		if (flow)
			return flow;
	}
	packet->key.channel = 0;
	flow = look_up(flows, &packet->key);
	return flow && !flow->inside ? flow : 0;
}

/* Check what was read; whole: bytes of the packet from the IP header on. */
INLINE int check(const struct packet *packet, const struct flow *flow, __u32 whole, __u64 now)
{
	__u32 header = packet->ipv4 ? IPV4_HEADER : IPV6_HEADER;

	if (packet->size != whole || packet->udp_length + header != whole || packet->udp_length < UDP_HEADER)
		return LENGTH;
	if (packet->key.channel && packet->channel_length + CHANNEL_HEADER + UDP_HEADER != packet->udp_length)
		return LENGTH;
	if (flow->expires <= now)
		return EXPIRED;
	if (!packet->udp_check && !(packet->ipv4 && is_ipv4(flow->source)))
		return CHECKSUM;
	if (packet->hops <= 1)
		return HOPS;
	return 0;
}

/* Find the flow by which another client of ours gets what was sent to its relayed address. */
INLINE const struct flow *find_client(const struct flow *flow, __u64 now)
{
	const struct flow *other;
	struct flow_key key = {};

	__builtin_memcpy(key.local, flow->destination, sizeof(key.local));
	__builtin_memcpy(key.remote, flow->source, sizeof(key.remote));
	key.local_port = flow->destination_port;
	key.remote_port = flow->source_port;
	other = look_up(flows, &key);
	return other && other->expires > now ? other : 0;
}

/* Compute what the checksums change by; 0, or what to count where a payload that must be moved or summed up is too large. */
INLINE int compute_changes(struct decision *to, const struct packet *packet)
{
	const struct counter *came = to->first ? to->passed : to->route;
	__u16 old_length = SWAP16(packet->udp_length), new_length = SWAP16(to->payload + UDP_HEADER);
	__u32 length = new_length + (__u16)~old_length;
	__u32 addresses = to->route->addresses, all = to->route->all;

	to->partial = packet->udp_check && packet->udp_check == fold_few(came->before + old_length + SWAP16(IPPROTO_UDP));
	if (to->first) {
		addresses += came->addresses;
		all += came->all;
	}
	to->address_change = fold_few(addresses);
	to->pseudo_change = fold_few(addresses + length);
	all += 2 * length; /* it stands in the pseudo header, too */
	if (packet->key.channel)
		all += (__u16)~packet->key.channel + (__u16)~SWAP16(packet->channel_length);
	if (to->channel)
		all += to->channel + SWAP16(to->bytes);
	to->change = fold_few(all);
	return to->partial && to->bytes > SCRATCH ? CHECKSUM : 0;
}

/* Lay down by which flow a packet is rewritten and how large it gets. */
INLINE int shape(struct decision *to, struct packet *packet, const struct flow *flow)
{
	__u32 place = flow->counter;

	to->route = look_up(counters, &place);
	to->flow = *flow;
	to->channel = to->flow.channel;
	to->ipv4 = is_ipv4(to->flow.source);
	to->payload = to->bytes + (to->channel ? CHANNEL_HEADER : 0);
	to->room = to->payload - packet->payload;
	to->size = to->payload + UDP_HEADER + (to->ipv4 ? IPV4_HEADER : IPV6_HEADER);
	to->fresh = 0;
	return to->route ? 0 : NO_FLOW;
}

/* The peer is a relayed address of ours: go on by the flow of the client who has it. */
INLINE int pass_on(struct decision *to, struct packet *packet, const struct flow *came, void *context, __u32 interface)
{
	const struct flow *flow = to->channel ? 0 : find_client(came, to->now);
	int no;

	if (!flow)
		return ROUTE;
	if (!packet->udp_check && !is_ipv4(flow->source))
		return CHECKSUM;
	to->first = came;
	to->passed = to->route;
	no = shape(to, packet, flow);
	if (no)
		return no;
	if (!has_route(to)) {
		keep_sums(to->route, came->source, came->destination, came->source_port + came->destination_port, flow);
		no = ask(context, interface, packet, to);
	}
	return !no && to->route->route_kind == TO_US ? ROUTE : no;
}

/* Decide about a packet that was read; 0 where it can be carried, else what to count. */
INLINE int decide(struct decision *to, struct packet *packet, void *context, __u32 interface, __u32 whole, int segments)
{
	const struct flow *flow = find(packet);
	int no;

	if (!flow)
		return NO_FLOW;
	if (segments)
		return SEGMENTS;
	to->now = coarse_clock();
	no = check(packet, flow, whole, to->now);
	if (no)
		return no;
	to->bytes = packet->key.channel ? packet->channel_length : packet->payload;
	no = shape(to, packet, flow);
	if (no)
		return no;
	if (!has_route(to)) {
		keep_sums(to->route, packet->key.local, packet->key.remote,
			  packet->key.local_port + packet->key.remote_port, flow);
		no = ask(context, interface, packet, to);
	}
	if (!no && to->route->route_kind == TO_US)
		no = pass_on(to, packet, flow, context, interface);
	return no ? no : compute_changes(to, packet);
}

/* Take what the packet costs; 0 where the rates don't allow it. */
INLINE int account(struct decision *to)
{
	if (!affords(&to->flow, to->bytes, to->now) || (to->first && !affords(to->first, to->bytes, to->now))) {
		tally(BANDWIDTH, to->bytes);
		return 0;
	}
	charge(&to->flow, to->bytes);
	count(to->route, to->bytes, to->now);
	if (to->first) {
		charge(to->first, to->bytes);
		count(to->passed, to->bytes, to->now);
	}
	tally(CARRIED, to->bytes);
	return 1;
}

#endif
