"""Small programs for the tests of the reader and the loader, compiled as the real one is."""

from pathlib import Path

from tools.program import compile_for

BEGIN = """
#pragma clang diagnostic ignored "-Wunused"
#pragma clang diagnostic ignored "-Wunused-parameter"
#include <linux/bpf.h>
#define SEC(name) __attribute__((section(name), used))
char terms[] SEC("license") = "GPL";
static void *(*const look_up)(const void *map, const void *key) = (void *)BPF_FUNC_map_lookup_elem;
static long (*const adjust_head)(struct xdp_md *, int) = (void *)BPF_FUNC_xdp_adjust_head;
char tallies[1] SEC("maps");
char hooks[1] SEC("maps");
char nowhere[1] SEC("maps");
extern const char hook_slot[] __attribute__((weak));
extern const char link_size[] __attribute__((weak));
"""

# Counts packets and bytes at the place that a constant says, and answers with another constant.
COUNT = """
SEC("tc") int count_packets(struct __sk_buff *skb)
{
	__u32 place = (unsigned long)hook_slot;
	__u64 *tally = look_up(tallies, &place);

	if (tally) {
		tally[0]++;
		tally[1] += skb->len;
	}
	return (int)(unsigned long)link_size;
}
"""

# Three programs: references to two maps and to a constant, to nothing, and to one map.
THREE = (
    COUNT
    + """
SEC("probe") int answer(struct __sk_buff *skb)
{
	return -1;
}

SEC("xdp") int longer(struct xdp_md *xdp)
{
	__u32 place = 1;

	return look_up(hooks, &place) && !adjust_head(xdp, -4) ? XDP_PASS : XDP_DROP;
}
"""
)


def compile_text(text: str, folder: Path, target: str = "bpfel", begin: str = BEGIN) -> Path:
    """Compile a program, and return where its object is."""
    source, output = folder / "small.c", folder / f"small.{target}.o"
    source.write_text(begin + text)
    compile_for(target, source, output)
    return output
