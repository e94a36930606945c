"""flow.h and flows.py are one layout: a C program fills every struct, and Python packs and reads the same bytes."""

import re
import subprocess
from pathlib import Path

import pytest

from edgeturn.kernel import flows
from edgeturn.protocol.address import join, parse_ip
from edgeturn.protocol.limits import CHANNEL_FIRST, CHANNEL_HEADER_SIZE, WIDE_CHANNEL_LAST
from tools.program import COMPILER

HEADER = Path(flows.__file__).parent / "program" / "flow.h"
LISTENER = join(parse_ip("192.0.2.1"), 3478)
CLIENT = join(parse_ip("2001:db8::7"), 40001)
RELAYED = join(parse_ip("2001:db8:1::9"), 50000)
PEER = join(parse_ip("198.51.100.3"), 6000)
CHANNEL = 0x4ABC

PROGRAM = """
#include <arpa/inet.h>
#include <stdio.h>
#include "flow.h"

#define IPV4(number) {0, 0, htonl(0xffff), htonl(number)}
#define IPV6(high, low) {htonl(0x20010db8), htonl(high), 0, htonl(low)}
#define SHOW(name) show(#name, &name, sizeof(name))

static void show(const char *name, const void *data, size_t size)
{
	const unsigned char *bytes = data;

	printf("%s ", name);
	for (size_t at = 0; at < size; at++)
		printf("%02x", bytes[at]);
	printf("\\n");
}

int main(void)
{
	struct flow_key key = {
		.local = IPV4(0xc0000201), .remote = IPV6(0, 7),
		.local_port = htons(3478), .remote_port = htons(40001), .channel = htons(0x4abc),
	};
	struct flow flow = {
		.source = IPV6(0x10000, 9), .destination = IPV4(0xc6336403),
		.source_port = htons(50000), .destination_port = htons(6000), .channel = htons(0x4abc),
		.expires = 1234567000000000ull, .counter = 77, .budgets = {1, 200, 70000},
	};
	struct counter counters[2] = {
		{.packets = 5, .bytes = 1ull << 40, .last = 99, .route_expires = 1, .interface = 2, .mtu = 3},
		{.packets = 6, .bytes = 7, .last = 98, .ethernet = {1, 2, 3}, .zero = 9},
	};
	struct budget budget = {.rate = 125000, .ends = 2, .left = 3};
	struct tally tallies[2] = {{.packets = 11, .bytes = 1200}, {.packets = 1ull << 33, .bytes = 34}};
	struct hook hook = {
		.interface = 70001, .kind = 2, .state = 1, .reason = 3, .changed = 14, .program = 4000000000u,
	};
	__u64 port = 0;

	SHOW(key), SHOW(flow), SHOW(counters), SHOW(budget), SHOW(tallies), SHOW(hook), SHOW(port);
#define NUMBER(name) printf(#name " %d\\n", name);
	NUMBERS
	return 0;
}
"""
NUMBERS = {
    "CHANNEL_FIRST": CHANNEL_FIRST,
    "CHANNEL_LAST": WIDE_CHANNEL_LAST,
    "CHANNEL_HEADER": CHANNEL_HEADER_SIZE,
    "HOOKS": flows.HOOKS,
    "PROBE": flows.PROBE,
    "SCRATCH": flows.SCRATCH_SIZE,
    "BUDGETS": len(flows.Flow(PEER, PEER, 0, 0, 0).budgets),
    "OUTCOMES": len(flows.OUTCOMES),
}


def outcomes() -> list[str]:
    """Return the names of the outcomes, in the order of flow.h."""
    (body,) = re.findall(r"enum outcome \{(.*?)\}", HEADER.read_text(), re.DOTALL)
    lines = re.sub(r"/\*.*?\*/", "", body, flags=re.DOTALL).split("\n")
    return [line.split(",")[0].strip() for line in lines if line.strip()]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What the C program says: bytes in hex and numbers, by name."""
    folder = tmp_path_factory.mktemp("layout")
    names = dict.fromkeys([*NUMBERS, *outcomes()])
    (folder / "layout.c").write_text(PROGRAM)
    numbers = f"-DNUMBERS={' '.join(f'NUMBER({name})' for name in names)}"
    command = [COMPILER, "-Wall", "-Werror", f"-I{HEADER.parent}", numbers, "-o", str(folder / "layout")]
    subprocess.run([*command, str(folder / "layout.c")], check=True, timeout=60)
    said = subprocess.run([folder / "layout"], capture_output=True, check=True, timeout=60, text=True).stdout
    return dict(line.split(" ") for line in said.splitlines())


def test_a_key_is_what_c_makes_of_it(told: dict[str, str]) -> None:
    key = flows.key(LISTENER, CLIENT, CHANNEL)
    assert key.hex() == told["key"]
    assert len(key) == flows.KEY_SIZE
    assert flows.read_key(key) == (LISTENER, CLIENT, CHANNEL)


def test_a_flow_is_what_c_makes_of_it(told: dict[str, str]) -> None:
    value = flows.Flow(RELAYED, PEER, CHANNEL, 1234567, 77, (1, 200, 70000)).pack()
    assert value.hex() == told["flow"]
    assert len(value) == flows.FLOW_SIZE
    read = flows.read_flow(value)
    assert (read.source, read.destination, read.channel) == (RELAYED, PEER, CHANNEL)
    assert (read.expires, read.counter, read.budgets) == (1234567, 77, (1, 200, 70000))


def test_counters_are_summed_up_over_cpus(told: dict[str, str]) -> None:
    data = bytes.fromhex(told["counters"])
    assert len(data) == 2 * flows.COUNTER_SIZE
    assert flows.read_counter(data) == (11, (1 << 40) + 7, 99)


def test_tallies_are_summed_up_over_cpus(told: dict[str, str]) -> None:
    data = bytes.fromhex(told["tallies"])
    assert len(data) == 2 * flows.TALLY_SIZE
    assert flows.read_tally(data) == ((1 << 33) + 11, 1234)


def test_a_hook_is_what_c_makes_of_it(told: dict[str, str]) -> None:
    hook = flows.Hook(70001, flows.XDP, flows.PROVEN, 3, 14, 4000000000)
    assert hook.pack().hex() == told["hook"]
    assert len(hook.pack()) == flows.HOOK_SIZE
    assert vars(flows.read_hook(hook.pack())) == vars(hook)


def test_sizes_of_the_other_values(told: dict[str, str]) -> None:
    assert len(told["budget"]) // 2 == flows.BUDGET_SIZE
    assert len(told["port"]) // 2 == flows.PORTS_SIZE


@pytest.mark.parametrize(("name", "number"), NUMBERS.items())
def test_numbers(name: str, number: int, told: dict[str, str]) -> None:
    assert int(told[name]) == number


def test_outcomes_have_their_names_in_their_order(told: dict[str, str]) -> None:
    names = [name.upper() for name, _ in flows.OUTCOMES]
    assert [*names, "OUTCOMES"] == outcomes()
    assert [int(told[name]) for name in names] == list(range(len(names)))
