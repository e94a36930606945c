/* Rewriting: the headers anew, for every pair of families, both directions and both hooks. */
#ifndef EDGETURN_REWRITE_H
#define EDGETURN_REWRITE_H

#include "decide.h"

#define ATOMIC 1260 /* RFC 7915 section 5.1: a translated packet no larger goes without DF */

INLINE void write_ipv4(struct ipv4 *ip, const struct packet *packet, const struct decision *to)
{
	__u16 *words = (void *)ip;
	__u64 sum = 0;

	((__be32 *)ip)[0] = SWAP32(0x45000000 | packet->tos << 16 | to->size);
	((__be32 *)ip)[2] = SWAP32((packet->hops - 1) << 24 | IPPROTO_UDP << 16);
	ip->source = to->flow.source[3];
	ip->destination = to->flow.destination[3];
	if (packet->ipv4) {
		ip->id_fragment = packet->fragment;
		ip->check = update(packet->ip_check, to->address_change + SWAP16(to->size) + (__u16)~SWAP16(packet->size) +
						     (__u16)~SWAP16(1 << 8)); /* one hop less */
		return;
	}
	ip->id_fragment = to->size > ATOMIC ? SWAP32(DONT_FRAGMENT) : random() & SWAP32(0xffff0000);
#pragma unroll
	for (int at = 0; at < IPV4_HEADER / 2; at++)
		sum += words[at];
	ip->check = ~fold(sum);
}

INLINE void write_ipv6(struct ipv6 *ip, const struct packet *packet, const struct decision *to)
{
	ip->version_class_label = SWAP32(6u << 28 | packet->tos << 20);
	ip->payload = SWAP16(to->payload + UDP_HEADER);
	ip->next_header = IPPROTO_UDP;
	ip->hops = packet->hops - 1;
	__builtin_memcpy(ip->source, to->flow.source, sizeof(ip->source));
	__builtin_memcpy(ip->destination, to->flow.destination, sizeof(ip->destination));
}

/* Write what stands behind the IP header; 0 where there's no room for it. */
INLINE int write_udp(struct udp *udp, void *end, const struct decision *to, __u16 check)
{
	struct channel_data *data = (void *)(udp + 1);

	if ((void *)data > end)
		return 0;
	udp->source = to->flow.source_port;
	udp->destination = to->flow.destination_port;
	udp->length = SWAP16(to->payload + UDP_HEADER);
	udp->check = check;
	if (!to->channel)
		return 1;
	if ((void *)(data + 1) > end)
		return 0;
	data->channel = to->channel;
	data->length = SWAP16(to->bytes);
	return 1;
}

/* Write all headers behind the link's; 0 where there's no room for them. */
INLINE int write(void *network, void *end, const struct packet *packet, const struct decision *to, __u16 check)
{
	if (to->ipv4) {
		if (network + IPV4_HEADER > end)
			return 0;
		write_ipv4(network, packet, to);
		return write_udp(network + IPV4_HEADER, end, to, check);
	}
	if (network + IPV6_HEADER > end)
		return 0;
	write_ipv6(network, packet, to);
	return write_udp(network + IPV6_HEADER, end, to, check);
}

/* Return the UDP checksum of the new packet where the old one had a whole one. */
INLINE __u16 updated_check(const struct packet *packet, const struct decision *to)
{
	__u16 check;

	if (!packet->udp_check)
		return 0;
	check = update(packet->udp_check, to->change);
	return check ? check : 0xffff;
}

#endif
