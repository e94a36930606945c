/* Reading a packet. Each function returns 0 where it can be decided about, else what to count, or OUTCOMES for nothing. */
#ifndef EDGETURN_PACKET_H
#define EDGETURN_PACKET_H

#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/in6.h>

#include "headers.h"

/* What was read of a packet. */
struct packet {
	struct flow_key key;
	__u32 size;     /* of the IP packet */
	__u32 payload;  /* bytes behind the UDP header */
	__u32 channel_length;
	__u32 hops;
	__u32 tos;      /* or traffic class */
	__be32 fragment; /* identification, flags and offset of IPv4 */
	__u16 ip_check;
	__u16 udp_check;
	__u16 udp_length;
	__u8 ipv4;
};

INLINE void tally(__u32 outcome, __u32 bytes)
{
	__u32 place = HOOK * OUTCOMES + outcome;
	struct tally *counted = look_up(tallies, &place);

	if (counted) {
		counted->packets++;
		counted->bytes += bytes;
	}
}

INLINE void count(struct counter *counter, __u32 bytes, __u64 now)
{
	counter->packets++;
	counter->bytes += bytes;
	counter->last = now;
}

INLINE int is_ours(__be16 port)
{
	__u32 number = SWAP16(port), word = number >> 6;
	__u64 *bits = look_up(ports, &word);

	return bits && *bits >> (number & 63) & 1;
}

/* Say why a packet with options, or a first fragment, isn't decided about, if it's for one of our ports. */
INLINE int read_odd(struct ipv4 *ip, void *end)
{
	__u32 size = (ip->version_size & 15) * 4;
	struct udp *udp;

	if (size < IPV4_HEADER || ip->id_fragment & SWAP32(FRAGMENT_OFFSET))
		return OUTCOMES;
	udp = (void *)ip + size;
	if ((void *)(udp + 1) > end || !is_ours(udp->destination))
		return OUTCOMES;
	return size == IPV4_HEADER ? FRAGMENT : OPTIONS;
}

INLINE int read_ipv4(struct packet *packet, struct ipv4 *ip, void *end)
{
	if ((void *)(ip + 1) > end || ip->protocol != IPPROTO_UDP || ip->version_size >> 4 != 4)
		return OUTCOMES;
	if (ip->version_size != 0x45 || ip->id_fragment & SWAP32(MORE_FRAGMENTS | FRAGMENT_OFFSET))
		return read_odd(ip, end);
	packet->ipv4 = 1;
	packet->size = SWAP16(ip->total);
	packet->tos = ip->tos;
	packet->fragment = ip->id_fragment;
	packet->hops = ip->hops;
	packet->ip_check = ip->check;
	packet->key.local[2] = packet->key.remote[2] = SWAP32(0xffff);
	packet->key.local[3] = ip->destination;
	packet->key.remote[3] = ip->source;
	return 0;
}

/* Say why a packet with an extension header isn't decided about, if it's for one of our ports: of several, nothing. */
INLINE int read_extended(struct ipv6 *ip, void *end)
{
	__u8 kind = ip->next_header, *header = (void *)(ip + 1);
	struct udp *udp;

	if (kind != IPPROTO_HOPOPTS && kind != IPPROTO_ROUTING && kind != IPPROTO_FRAGMENT && kind != IPPROTO_DSTOPTS)
		return OUTCOMES;
	if ((void *)(header + 8) > end || header[0] != IPPROTO_UDP)
		return OUTCOMES;
	if (kind == IPPROTO_FRAGMENT && (header[2] || header[3] & 0xf8)) /* not the first one */
		return OUTCOMES;
	udp = (void *)header + (kind == IPPROTO_FRAGMENT ? 8 : 8 * (header[1] + 1));
	if ((void *)(udp + 1) > end || !is_ours(udp->destination))
		return OUTCOMES;
	return kind == IPPROTO_FRAGMENT ? FRAGMENT : OPTIONS;
}

INLINE int read_ipv6(struct packet *packet, struct ipv6 *ip, void *end)
{
	if ((void *)(ip + 1) > end || SWAP32(ip->version_class_label) >> 28 != 6)
		return OUTCOMES;
	if (ip->next_header != IPPROTO_UDP)
		return read_extended(ip, end);
	packet->ipv4 = 0;
	packet->size = SWAP16(ip->payload) + IPV6_HEADER;
	packet->tos = SWAP32(ip->version_class_label) >> 20 & 0xff;
	packet->hops = ip->hops;
	__builtin_memcpy(packet->key.local, ip->destination, sizeof(ip->destination));
	__builtin_memcpy(packet->key.remote, ip->source, sizeof(ip->source));
	return 0;
}

INLINE int read_udp(struct packet *packet, struct udp *udp, void *end)
{
	struct channel_data *data = (void *)(udp + 1);

	if ((void *)data > end || !is_ours(udp->destination))
		return OUTCOMES;
	packet->key.local_port = udp->destination;
	packet->key.remote_port = udp->source;
	packet->udp_length = SWAP16(udp->length);
	packet->udp_check = udp->check;
	packet->payload = end - (void *)data;
	if ((void *)(data + 1) <= end) {
		packet->key.channel = data->channel;
		packet->channel_length = SWAP16(data->length);
	}
	return 0;
}

#endif
