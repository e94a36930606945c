"""What an interpreter does with the pinned maps of a folder, told line by line: `python tests/kernel/pinned.py FOLDER`.

It tells what is there, changes it, and tells what then is there.
"""

import sys

from edgeturn.kernel import flows, maps
from edgeturn.kernel.bpf import index

CLIENT, LISTENER = b"\x9c\x41\xc0\0\2\x0b", b"\x0d\x96\xc0\0\2\1"
RELAYED, PEER = b"\xc3\x50" + bytes(range(16)), b"\x17\x70" + bytes(range(16, 32))


def tell(maps_: maps.Maps) -> None:
    """Print all that is in the maps, zeros left out."""
    for name, _, _, size in maps.TABLE:
        found = maps_.by_name[name]
        print(name, found.kind, found.key_size, found.value_size, found.entries)
        for key in sorted(found.keys()):
            value = found.get(key)
            if value is not None and value != bytes(len(value)):
                print(" ", sum(key), size, list(value))


def change(maps_: maps.Maps) -> None:
    """Write, overwrite and delete."""
    up = flows.key(LISTENER, CLIENT, 0x4001)
    print("deleted", maps_.flows.delete(up), maps_.flows.delete(up))
    maps_.flows.set(flows.key(RELAYED, PEER, 0), flows.Flow(LISTENER, CLIENT, 0x4001, 10, 3, (1, 2, 3)).pack())
    for number in range(20):
        local = flows.key(bytes([number, number]) + RELAYED[2:], PEER, 0)
        maps_.flows.set(local, flows.Flow(PEER, RELAYED, number, 5000000000, number).pack())
    maps_.counters.set(index(3), bytes(flows.COUNTER_SIZE))
    maps_.budgets.set(index(1), b"\x11" * flows.BUDGET_SIZE)
    maps_.ports.set(index(1023), b"\xff" * flows.PORTS_SIZE)
    refused(lambda: maps_.ports.set(index(1024), bytes(flows.PORTS_SIZE)))
    refused(lambda: maps_.ports.set(b"", bytes(flows.PORTS_SIZE)))
    refused(lambda: maps_.hooks.delete(index(0)))
    refused(lambda: maps.open_all("/nowhere"))


def refused(action: object) -> None:
    """Tell how an action fails."""
    try:
        action()  # type: ignore[operator]
        print("not refused")
    except OSError as error:
        print("refused", error.args[0])
    except ValueError as error:
        print("refused", error.args[0])


def main(folder: str) -> None:
    opened = maps.open_all(folder)
    tell(opened)
    change(opened)
    tell(opened)
    opened.close()


if __name__ == "__main__":
    main(sys.argv[1])
