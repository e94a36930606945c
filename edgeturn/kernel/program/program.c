/* The media path: rewrites the packets of bound channels and sends them on, from tc (clsact ingress) and from XDP.
 *
 *     parse ──► is the port ours? ──► flow ──► checks ──► route ──► rates ──► rewrite ──► out
 *        └─────────┴───────────────────┴─────────┴──────────┴── in doubt: untouched to the socket, and counted
 *
 * Rule 1: nothing is modified before everything is decided.
 * Rule 2: one rewriter serves all pairs of families, both directions and both hooks; what differs are header sizes.
 * Rule 3: checksums are updated by the difference (RFC 1624), so that a packet that was damaged stays so.
 * Rule 4: no atomics, no division and no calls between functions: the JIT of 32-bit ARM knows none of them.
 *
 * Where a local sender left the UDP checksum to the device (CHECKSUM_PARTIAL), it holds the pseudo header's sum, and the
 * kernel remembers where the UDP header is: there the payload moves, and not the header. Of other packets one in 65536
 * looks the same; both ways are right for it.
 */
#include "tc.h"
#include "xdp.h"

/* Sends what it is run with to the ingress of the device whose number is the mark: it proves that the hook is there. */
SEC("probe") int edgeturn_probe(struct __sk_buff *skb)
{
	return clone_redirect(skb, skb->mark, BPF_F_INGRESS);
}

/* Dual: the kernel lends bpf_fib_lookup to programs under the GPL only. */
char license_of_program[] SEC("license") = "Dual MIT/GPL";
