"""Budgets in windows of whole seconds, and the table of strangers."""

from edgeturn.protocol.address import parse
from edgeturn.protocol.budget import STRANGER_WINDOW, UNLIMITED, Budgets, Strangers
from edgeturn.protocol.limits import PREFIX_TABLE_SIZE
from tests.core.dialogue import Server


def strangers(rate: int) -> Strangers:
    return Strangers(rate, b"\x13\x57\x9b\xdf\x02\x46\x8a\xce")


def admitted(table: Strangers, source: str, now: int, most: int = 1000) -> int:
    """Return how many requests of a source are within the budget."""
    address = parse(source)
    count = 0
    while count < most and table.admits(address, now):
        assert table.charge(address, now)
        count += 1
    assert count == most or not table.charge(address, now)
    return count


def budgets(*rates: int) -> Budgets:
    """Return budgets whose cells have these rates."""
    made = Budgets(len(rates))
    for cell in range(len(rates)):
        made.set_rate(cell, rates[cell])
    return made


def test_a_window_holds_its_rate_and_no_more() -> None:
    cells = budgets(0, 10)
    taken = [cells.take(1, amount, 100) for amount in (4, 6, 1, 0)]
    assert taken == [True, True, False, True]
    assert cells.left(1, 101) == 10 and cells.take(1, 10, 101) and not cells.take(1, 1, 101)


def test_what_is_too_much_takes_nothing() -> None:
    cells = budgets(10)
    assert not cells.take(0, 11, 100) and cells.left(0, 100) == 10


def test_cells_are_each_for_themselves() -> None:
    cells = budgets(10, 10)
    assert cells.take(0, 10, 100) and cells.left(1, 100) == 10


def test_windows_of_several_seconds() -> None:
    cells = Budgets(1, 60)
    cells.set_rate(0, 3)
    assert cells.take(0, 3, 120) and not cells.take(0, 1, 179) and cells.take(0, 3, 180)


def test_rate_0_is_unlimited() -> None:
    cells = budgets(0)
    assert all(cells.take(0, UNLIMITED, 100) for _ in range(100))
    assert cells.left(0, 100) == UNLIMITED and cells.draw_size(0) == UNLIMITED


def test_changed_rate_counts_from_the_next_window() -> None:
    cells = budgets(10)
    cells.take(0, 10, 100)
    cells.set_rate(0, 20)
    assert cells.left(0, 100) == 0 and cells.left(0, 101) == 20


def test_whoever_has_a_cell_next_begins_anew() -> None:
    cells = budgets(10)
    cells.take(0, 10, 100)
    cells.reset(0, 20)
    assert (cells.rate(0), cells.left(0, 100)) == (20, 20)


def test_draws_are_small_against_the_rate_and_large_against_a_packet() -> None:
    for rate, size in ((1, 2048), (16 * 2048, 2048), (1_000_000, 62_500)):
        assert budgets(rate).draw_size(0) == size


def test_draw_takes_the_same_out_of_every_cell_or_nothing() -> None:
    cells = budgets(100_000, 3000, 0)

    def left() -> tuple[int, int]:
        return cells.left(0, 100), cells.left(1, 100)

    assert cells.draw((0, 1), 1, 100) == 2048
    assert left() == (97_952, 952)
    assert cells.draw((0, 1), 900, 100) == 952
    assert cells.draw((0, 1), 1, 100) == 0
    assert left() == (97_000, 0)
    assert cells.draw((0, 1), 2999, 101) == 2999
    assert cells.draw((0, 1), 2, 101) == 0
    assert cells.draw((2, 2), 5, 101) == UNLIMITED


def test_strangers_have_their_rate_over_a_window() -> None:
    table = strangers(5)
    assert admitted(table, "1.2.3.4:1", 100) == 5 * STRANGER_WINDOW
    assert admitted(table, "1.2.3.4:1", 100 + STRANGER_WINDOW - 1) == 0
    assert admitted(table, "1.2.3.4:1", 100 + STRANGER_WINDOW) == 5 * STRANGER_WINDOW


def test_strangers_are_counted_by_prefix() -> None:
    rows = (
        ("1.2.3.4:1", "1.2.3.255:65535", True),
        ("1.2.3.4:1", "1.2.4.4:1", False),
        ("[2a05:1:2:300::1]:1", "[2a05:1:2:3ff:ffff::1]:2", True),
        ("[2a05:1:2:300::1]:1", "[2a05:1:2:400::1]:1", False),
        ("1.2.3.4:1", "[102:300::]:1", False),
    )
    for first, second, shared in rows:
        table = strangers(5)
        admitted(table, first, 100)
        assert (admitted(table, second, 100) == 0) == shared, second


def test_strangers_without_a_rate_are_unlimited() -> None:
    table = strangers(0)
    assert admitted(table, "1.2.3.4:1", 100) == 1000
    table.set_rate(1)
    assert admitted(table, "1.2.3.4:1", 100) == STRANGER_WINDOW
    table.set_rate(0)
    assert admitted(table, "1.2.3.4:1", 100) == 1000


def test_strangers_counters_of_two_bytes_do_not_overflow() -> None:
    table = strangers(1 << 20)
    address = parse("1.2.3.4:1")
    for _ in range(0xFFFF):
        table.charge(address, 100)
    assert not table.admits(address, 100) and not table.charge(address, 100)


def test_strangers_table_is_of_fixed_size_and_spreads_prefixes() -> None:
    table = strangers(1)
    size = len(table._counts)
    assert size == 2 * PREFIX_TABLE_SIZE
    for first in range(4):
        for second in range(256):
            table.charge(bytes([0, 1, 20 + first, second, 7, 1]), 100)
    assert len(table._counts) == size
    places = [at for at in range(0, size, 2) if table._counts[at] or table._counts[at + 1]]
    assert len(places) > 700  # of 1024 prefixes in 2048 places, 806 are expected


def test_strangers_are_placed_unpredictably() -> None:
    def place(seed: bytes) -> int:
        table = Strangers(1, seed)
        table.charge(parse("1.2.3.4:1"), 100)
        return next(at for at in range(len(table._counts)) if table._counts[at])

    server = Server()
    assert len({place(server.random(8)) for _ in range(20)}) > 15


def test_what_an_ended_allocation_did_not_use_is_there_for_others() -> None:
    server = Server(total_bandwidth=16000)
    for port in range(1000, 1032):  # each draws 2048 bytes or more and uses one
        client = server.client(source=f"1.1.1.1:{port}")
        client.relayed()
        assert client.bind(0x4000, "5.5.5.5:5") == 0
        assert client.channel(0x4000, b"x") is not None, port
        client.refresh(0)
