/* The layout that the program and the relay share; flows.py is the same in Python, and a test compares them.
 *
 * Rule 1: addresses are IPv6, IPv4 as ::ffff:a.b.c.d, addresses and ports in network order; the words of that prefix
 *         don't change a one's complement sum, so one arithmetic serves every pair of families.
 * Rule 2: all else is in the machine's own order.
 * Rule 3: `flows` and `ports` are written by the relay, `budgets` by both, everything else by the program.
 *
 *     client ──► flow {listener, client, channel} ──► rewritten to {relayed address, peer, 0}         a header less
 *     peer   ──► flow {relayed address, peer, 0}  ──► rewritten to {listener, client, channel}        a header more
 */
#ifndef EDGETURN_FLOW_H
#define EDGETURN_FLOW_H

#include <linux/types.h>

#define CHANNEL_FIRST 0x4000 /* RFC 8656 section 12 */
#define CHANNEL_LAST 0x7fff  /* RFC 5766 section 11 */
#define CHANNEL_HEADER 4

#define HOOKS 64      /* places that programs may be attached to */
#define BUDGETS 3     /* of an allocation, a user and the relay */
#define SCRATCH 2048  /* bytes of a payload that can be moved */
#define PROBE 0x88b5  /* EtherType of the packet that proves an attachment: local experiments, IEEE 802 */

struct flow_key {
	__be32 local[4];
	__be32 remote[4];
	__be16 local_port;
	__be16 remote_port;
	__be16 channel; /* 0: from a peer to a client */
	__be16 zero;
};

struct flow {
	__be32 source[4];
	__be32 destination[4];
	__be16 source_port;
	__be16 destination_port;
	__be16 channel; /* 0: from a client to a peer */
	__be16 inside;  /* 1: of a peer that is a relayed address of ours; nobody sends from there by wire */
	__u64 expires;           /* nanoseconds of CLOCK_MONOTONIC */
	__u32 counter;           /* its place in `counters` */
	__u32 budgets[BUDGETS];  /* places in `budgets`, 0: unlimited */
};

/* What a flow carried, and what is kept for a moment: its route, and what checksums change by. Each CPU has its own, and
 * only the program writes it; the relay zeroes it before another flow, or one of other addresses, takes the place.
 */
struct counter {
	__u64 packets;
	__u64 bytes; /* of what client and peer exchange, without headers */
	__u64 last;  /* nanoseconds of CLOCK_MONOTONIC */
	__u64 route_expires;
	__u32 interface;
	__u16 mtu;
	__u16 route_kind;
	union {
		__u16 ethernet[6]; /* destination, source */
		__be32 next_hop[4];
	};
	__u16 before;    /* one's complement sum of the key's addresses */
	__u16 addresses; /* what it changes by */
	__u16 all;       /* what the sum of addresses and ports changes by */
	__u16 zero;
};

/* So many bytes in every second; the second begins with the first packet after the one before. */
struct budget {
	__u64 rate;
	__u64 ends; /* nanoseconds of CLOCK_MONOTONIC */
	__s64 left; /* below nothing where two CPUs took the last of it */
};

struct tally {
	__u64 packets;
	__u64 bytes; /* as in a counter; of what was passed to user space the whole packet */
};

/* What became of a packet, counted for each hook: tallies[hook * OUTCOMES + outcome]. Append only; flows.py has words. */
enum outcome {
	SEEN,        /* a probe, or an answer that was asked for to prove an attachment */
	CARRIED,
	BANDWIDTH,   /* dropped: a rate is used up */
	NO_FLOW,     /* to one of our ports: STUN, or nothing is bound */
	EXPIRED,
	LENGTH,      /* ChannelData whose length isn't that of its datagram: padding, or a lie */
	SEGMENTS,    /* a super-packet of GRO or GSO */
	FRAGMENT,
	OPTIONS,     /* IPv4 options or IPv6 extension headers */
	HOPS,        /* TTL or hop limit used up */
	MTU,         /* larger than the way out takes */
	FORWARDING,  /* forwarding is switched off on the way in */
	ROUTE,       /* no route, or none that is unicast */
	NEIGHBOUR,   /* the next hop's address isn't known yet */
	CHECKSUM,    /* UDP over IPv6 without checksum, or one that is left to a device under a large payload */
	DEVICE,      /* the way out takes no packets from this hook */
	OUTCOMES
};

/* Who is attached: `hooks`, written by `edgeturn kernel attach`, in the order of the places. */
struct hook {
	__u32 interface; /* 0: the place is free */
	__u8 kind;       /* 1 tc, 2 XDP */
	__u8 state;      /* 0 attached, 1 proven, 2 given up */
	__u8 reason;     /* why it was given up: flows.py has words */
	__u8 changed;    /* what `detach` must undo: 1 clsact, 2 rx-gro-list, 4 forwarding of IPv4, 8 of IPv6 */
	__u32 program;   /* the kernel's number of the program */
	__u32 previous;  /* that of the one that it replaces, until that's done */
};

#endif
