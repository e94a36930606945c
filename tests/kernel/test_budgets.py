"""Budgets that the kernel and Python share, on an imitated map: the same answers as Python's own, and joint seconds.

What the program does is written here by hand; it runs on both interpreters.
"""

from struct import pack, unpack

from edgeturn.kernel.bpf import ARRAY, index
from edgeturn.kernel.budgets import SharedBudgets, in_flow, shared, unshared
from edgeturn.kernel.flows import BUDGET_SIZE, SECOND
from edgeturn.protocol.budget import UNLIMITED, Budgets
from tests.core.dialogue import OTHER, PEER, Server, credentials
from tests.kernel.carried import LISTENERS, Scene
from tests.kernel.imitation import Imitation

ALICE = "1.1.1.1:1000"
CELL = "QQq"


def table(*rates: int) -> "tuple[SharedBudgets, Imitation]":
    """Return budgets with certain rates, and their map."""
    cells = Imitation(ARRAY, 4, BUDGET_SIZE, len(rates))
    made = SharedBudgets(cells)  # type: ignore[arg-type]
    for cell in range(len(rates)):
        made.set_rate(cell, rates[cell])
    return made, cells


def read(cells: Imitation, cell: int) -> "tuple[int, ...]":
    """Return rate, end in seconds, and what is left."""
    value = cells.get(index(cell))
    assert value is not None
    rate, ends, left = unpack(CELL, value)
    return rate, ends // SECOND, left


def charge(cells: Imitation, cell: int, size: int, now: int) -> bool:
    """Do what the program does with a packet."""
    rate, ends, left = unpack(CELL, cells.get(index(cell)) or b"")
    if ends <= now * SECOND:
        ends, left = (now + 1) * SECOND, rate
    fits = bool(left >= size)
    cells.set(index(cell), pack(CELL, rate, ends, left - size * fits))
    return fits


def test_alone_they_answer_as_pythons_own() -> None:
    seed = 12345
    for rates in ((10, 3000, 0), (100_000, 50, 7)):
        made, own = table(*rates)[0], Budgets(len(rates))
        for cell in range(len(rates)):
            own.set_rate(cell, rates[cell])
        now = 100
        for _ in range(400):
            seed = seed * 1103515245 + 12345 & 0x7FFFFFFF
            cell, amount = seed % 3, (seed >> 8) % 60
            now += (seed >> 16) % 5 == 0
            assert made.draw_size(cell) == own.draw_size(cell)
            assert made.left(cell, now) == own.left(cell, now)
            assert made.take(cell, amount, now) == own.take(cell, amount, now)
            if seed & 1:
                made.give_back(cell, 3)
                own.give_back(cell, 3)
            assert made.draw((0, 1, 2), amount, now) == own.draw((0, 1, 2), amount, now)


def test_both_take_from_one_second() -> None:
    made, cells = table(0, 1000)
    assert made.take(1, 400, 100) and charge(cells, 1, 400, 100)
    assert made.left(1, 100) == 200 and not made.take(1, 300, 100) and not charge(cells, 1, 300, 100)
    assert charge(cells, 1, 1000, 101) and not made.take(1, 1, 101)
    assert made.take(1, 1000, 102)


def test_a_second_that_the_kernel_began_is_waited_for() -> None:
    made, cells = table(0, 1000)
    cells.set(index(1), pack(CELL, 1000, 101 * SECOND + SECOND // 2, 100))
    assert made.left(1, 100) == 100 and made.left(1, 101) == 100 and made.left(1, 102) == 1000


def test_more_taken_than_was_there_is_nothing_left() -> None:
    made, cells = table(0, 1000)
    cells.set(index(1), pack(CELL, 1000, 200 * SECOND, -50))
    assert not made.take(1, 1, 100) and made.draw((1,), 1, 100) == 0 and made.draw_size(1) == 2048


def test_unlimited_ones_ask_nobody() -> None:
    made, cells = table(0, 0)
    before = cells.calls
    assert made.take(1, UNLIMITED, 100) and made.left(1, 100) == UNLIMITED and made.draw((0, 1), 5, 100) == UNLIMITED
    made.give_back(1, 5)
    assert cells.calls == before


def test_another_rate_is_in_the_map_at_once() -> None:
    made, cells = table(0, 1000)
    assert made.take(1, 600, 100)
    made.set_rate(1, 500)
    assert read(cells, 1) == (500, 101, 400)
    made.set_rate(1, 0)  # a flow that still has the cell isn't stopped
    assert charge(cells, 1, 10**9, 100) and made.left(1, 100) == UNLIMITED
    made.set_rate(1, 700)
    assert made.left(1, 100) == 700 and not charge(cells, 1, 701, 100)


def test_whoever_has_a_cell_next_begins_anew() -> None:
    made, cells = table(0, 1000)
    assert made.take(1, 1000, 100)
    made.reset(1, 300)
    assert made.take(1, 300, 100) and not made.take(1, 1, 100)
    made.reset(1, 0)
    assert read(cells, 1)[0] == 300  # what an orphan goes on with


def test_a_flow_has_the_cells_that_limit() -> None:
    made, _ = table(0, 1000, 0, 5)
    assert in_flow(made, (1, 2, 3)) == (1, 0, 3)


def test_rates_go_to_the_map_and_back() -> None:
    own = Budgets(3)
    own.set_rate(1, 1000)
    cells = Imitation(ARRAY, 4, BUDGET_SIZE, 5)  # of a relay that may be larger
    made = shared(own, cells, 3)  # type: ignore[arg-type]
    assert [made.rate(cell) for cell in range(3)] == [0, 1000, 0] and read(cells, 1)[0] == 1000
    back = unshared(made, 3)
    assert [back.rate(cell) for cell in range(3)] == [0, 1000, 0] and not isinstance(back, SharedBudgets)


def rates(made: Scene, **changed: int) -> None:
    """Reload with other rates."""
    for name, value in changed.items():
        setattr(made.server.limits, name, value)
    users = (("alice", "pa"), ("bob", "pb"))
    made.server.turn.use(made.server.limits, credentials(users, ()), made.server.turn.peers)
    made.carrier.rewrite()


def test_flows_draw_from_allocation_account_and_total() -> None:
    made = Scene(Server(max_allocations=2, bandwidth=3000, user_bandwidth=4000, total_bandwidth=5000)).start()
    cells = made.maps.budgets
    places = []
    for port in (1, 2):
        alice = made.server.client(source=f"1.1.1.1:{port}")
        relayed = alice.relayed()
        assert alice.bind(0x4000, PEER) == 0
        up, down = made.cells(LISTENERS[0], f"1.1.1.1:{port}", 0x4000), made.cells(relayed, PEER, 0)
        assert down == tuple([cell + 1 for cell in up]) and up[2] == 1
        assert [read(cells, cell)[0] for cell in up] == [3000, 4000, 5000]  # type: ignore[arg-type]
        assert 3 <= up[0] < 7 <= up[1] < 15
        places.append(up)
    assert places[0][0] != places[1][0] and places[0][1] == places[1][1]


def test_python_and_kernel_share_an_allocations_rate() -> None:
    made = Scene(Server(max_allocations=2, bandwidth=3000)).start()
    alice = made.server.client(source=ALICE)
    alice.relayed()
    assert alice.bind(0x4000, PEER) == 0
    cell = made.cells(LISTENERS[0], ALICE, 0x4000)[0]
    assert charge(made.maps.budgets, cell, 2500, made.server.now)  # type: ignore[arg-type]
    assert alice.channel(0x4000, bytes(501)) is None
    assert alice.channel(0x4000, bytes(500)) is not None
    assert not charge(made.maps.budgets, cell, 1, made.server.now)  # type: ignore[arg-type]
    made.wait(1)
    assert alice.channel(0x4000, bytes(501)) is not None


def test_a_reload_of_rates_is_in_the_flows_at_once() -> None:
    made = Scene(Server(max_allocations=2)).start()
    alice = made.server.client(source=ALICE)
    relayed = alice.relayed()
    assert alice.bind(0x4000, PEER) == 0 and alice.bind(0x4001, OTHER) == 0
    assert made.cells(relayed, PEER, 0) == (0, 0, 0)
    rates(made, bandwidth=3000, total_bandwidth=7000)
    own, account, total = made.cells(relayed, OTHER, 0)
    assert (account, total) == (0, 2) and own
    assert read(made.maps.budgets, own)[0] == 3000  # type: ignore[arg-type]
    rates(made, bandwidth=0)
    assert made.cells(relayed, OTHER, 0) == (0, 0, 2)
    rates(made, total_bandwidth=0, user_bandwidth=9)
    own, account, total = made.cells(relayed, PEER, 0)
    assert (own, total) == (0, 0) and account
