/* What the kernel offers a program, by the names used here, and what the loader puts in: maps and constants. */
#ifndef EDGETURN_KERNEL_H
#define EDGETURN_KERNEL_H

#include <linux/bpf.h>

#include "flow.h"

#define SEC(name) __attribute__((section(name), used))
#define SECOND 1000000000ull /* nanoseconds */
#define INLINE static inline __attribute__((always_inline))
#define LIKELY(condition) __builtin_expect(!!(condition), 1)

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define SWAP16(number) __builtin_bswap16(number)
#define SWAP32(number) __builtin_bswap32(number)
#else
#define SWAP16(number) (number)
#define SWAP32(number) (number)
#endif

static void *(*const look_up)(const void *map, const void *key) = (void *)BPF_FUNC_map_lookup_elem;
static __u64 (*const coarse_clock)(void) = (void *)BPF_FUNC_ktime_get_coarse_ns;
static __u32 (*const random)(void) = (void *)BPF_FUNC_get_prandom_u32;
static long (*const fib_lookup)(void *, struct bpf_fib_lookup *, int, __u32) = (void *)BPF_FUNC_fib_lookup;
static long (*const redirect)(__u32, __u64) = (void *)BPF_FUNC_redirect;
static long (*const redirect_neigh)(__u32, struct bpf_redir_neigh *, int, __u64) = (void *)BPF_FUNC_redirect_neigh;
static long (*const redirect_map)(void *, __u64, __u64) = (void *)BPF_FUNC_redirect_map;
static long (*const clone_redirect)(struct __sk_buff *, __u32, __u64) = (void *)BPF_FUNC_clone_redirect;
static long (*const csum_update)(struct __sk_buff *, __u32) = (void *)BPF_FUNC_csum_update;
static __s64 (*const csum_diff)(__be32 *, __u32, __be32 *, __u32, __u32) = (void *)BPF_FUNC_csum_diff;
static long (*const l4_csum_replace)(struct __sk_buff *, __u32, __u64, __u64, __u64) = (void *)BPF_FUNC_l4_csum_replace;
static long (*const load_bytes)(const void *, __u32, void *, __u32) = (void *)BPF_FUNC_skb_load_bytes;
static long (*const store_bytes)(struct __sk_buff *, __u32, const void *, __u32, __u64) = (void *)BPF_FUNC_skb_store_bytes;
static long (*const pull_data)(struct __sk_buff *, __u32) = (void *)BPF_FUNC_skb_pull_data;
static long (*const change_tail)(struct __sk_buff *, __u32, __u64) = (void *)BPF_FUNC_skb_change_tail;
static long (*const change_head)(struct __sk_buff *, __u32, __u64) = (void *)BPF_FUNC_skb_change_head;
static long (*const change_proto)(struct __sk_buff *, __be16, __u64) = (void *)BPF_FUNC_skb_change_proto;
static long (*const adjust_room)(struct __sk_buff *, __s32, __u32, __u64) = (void *)BPF_FUNC_skb_adjust_room;
static long (*const adjust_head)(struct xdp_md *, int) = (void *)BPF_FUNC_xdp_adjust_head;

/* The loader knows what they are and how large. */
char flows[1] SEC("maps");
char counters[1] SEC("maps");
char budgets[1] SEC("maps");
char ports[1] SEC("maps");
char tallies[1] SEC("maps");
char devices[1] SEC("maps");
char scratch[1] SEC("maps");

/* Constants: the loader puts the numbers in, for each place that the program is attached to. */
extern const char hook_slot[] __attribute__((weak));
extern const char link_size[] __attribute__((weak)); /* 14, or 0 where packets begin with the IP header */
#define HOOK ((__u32)(unsigned long)hook_slot)
#define LINK ((unsigned long)link_size)

#endif
