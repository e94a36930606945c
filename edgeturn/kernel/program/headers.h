/* The headers on the wire, and sums over them.
 *
 * The words 0 and 0xffff of a mapped IPv4 address are both zero in a one's complement sum. */
#ifndef EDGETURN_HEADERS_H
#define EDGETURN_HEADERS_H

#include "kernel.h"

#define AF_INET 2
#define AF_INET6 10
#define IPV4_HEADER 20
#define IPV6_HEADER 40
#define UDP_HEADER 8
#define HEADERS (IPV6_HEADER + UDP_HEADER + CHANNEL_HEADER) /* the most that is read or written */
#define DONT_FRAGMENT 0x4000
#define MORE_FRAGMENTS 0x2000
#define FRAGMENT_OFFSET 0x1fff

struct ethernet {
	__u16 addresses[6]; /* destination, source */
	__be16 kind;
};

struct ipv4 {
	__u8 version_size;
	__u8 tos;
	__be16 total;
	__be32 id_fragment;
	__u8 hops;
	__u8 protocol;
	__sum16 check;
	__be32 source;
	__be32 destination;
};

struct ipv6 {
	__be32 version_class_label;
	__be16 payload;
	__u8 next_header;
	__u8 hops;
	__be32 source[4];
	__be32 destination[4];
};

struct udp {
	__be16 source;
	__be16 destination;
	__be16 length;
	__sum16 check;
};

struct channel_data {
	__be16 channel;
	__be16 length;
};

INLINE __u16 fold(__u64 sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

INLINE int is_ipv4(const __be32 *address)
{
	return !address[0] && !address[1] && address[2] == SWAP32(0xffff);
}

INLINE __u64 add_addresses(const __be32 *one, const __be32 *other)
{
	return (__u64)one[0] + one[1] + one[2] + one[3] + other[0] + other[1] + other[2] + other[3];
}

/* Fold a sum of few 16-bit words. */
INLINE __u16 fold_few(__u32 sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	return (sum & 0xffff) + (sum >> 16);
}

INLINE __u16 update(__u16 check, __u32 change)
{
	return ~fold_few((__u16)~check + change);
}

#endif
