"""Mobility (RFC 8016) by dice: whatever clients do from wherever, the tables agree and nothing is left over."""

from edgeturn.protocol import stun
from edgeturn.protocol.address import parse
from edgeturn.protocol.digests import sha256
from edgeturn.protocol.mobility import TICKET_SIZE
from tests.core.dialogue import PEER, Answer, Client, Server
from tests.core.test_mobility import AWAY, FAR, HOME, WANT_TICKET, resume, streams


class Play:
    """Clients that do anything from anywhere, by dice that fall alike in each run."""

    def __init__(self) -> None:
        self.server = streams()
        self.server.turn.strangers.set_rate(0)
        places = [(source, listener) for source in (HOME, AWAY, FAR) for listener in (0, 1)]
        self.clients = [self.server.client(source=source, listener=listener) for source, listener in places]
        self.tickets = [bytes(TICKET_SIZE)]
        self._thrown = 0

    def below(self, limit: int) -> int:
        self._thrown += 1
        return int.from_bytes(sha256(b"play %d" % self._thrown)[:4], "big") % limit

    def step(self) -> str:
        """Do something; return what."""
        client = self.clients[self.below(len(self.clients))]
        names = ("allocate", "resume", "resume", "send", "send", "close", "wait", "end", "bind")
        name = names[self.below(len(names))]
        getattr(self, name)(client)
        return name + " from " + client.source

    def allocate(self, client: Client) -> None:
        self.note(client.allocate(*([WANT_TICKET] if self.below(4) else [])))

    def resume(self, client: Client) -> None:
        recent = self.tickets[-6:]
        self.note(resume(client, recent[self.below(len(recent))], (0, 60, 600)[self.below(3)]))

    def note(self, answer: Answer) -> None:
        self.tickets += answer.values(stun.MOBILITY_TICKET)

    def send(self, client: Client) -> None:
        if self.below(2):
            client.channel(0x4000, b"x")
        else:
            client.send(PEER, b"x")

    def bind(self, client: Client) -> None:
        client.bind(0x4000, PEER)

    def close(self, client: Client) -> None:
        self.server.turn.closed(client.via, parse(client.source))

    def wait(self, client: Client) -> None:
        self.server.wait(self.below(200), tick=bool(self.below(2)))
        client.nonce = b""

    def end(self, client: Client) -> None:
        client.refresh(0)


def disagreement(server: Server) -> str:
    """Say in what the tables of a server disagree."""
    turn = server.turn
    sessions = turn.live_sessions()
    if len({owner.slot for owner in sessions}) < len(sessions):
        return "an allocation stands twice"
    if [owner for owner in sessions if turn.clients[owner.via].get(owner.client) is not owner]:
        return "an allocation isn't where it says"
    arriving = {owner.arriving: owner for owner in sessions if owner.arriving}
    if arriving != turn.arriving or [place for place in arriving if place[1] in turn.clients[place[0]]]:
        return "who arrives isn't where he says, or somebody else is there"
    if turn.pool.free_slots() != server.limits.max_allocations - len(sessions):
        return "slots"
    accounts = {owner.account.slot: owner.account for owner in sessions if owner.account}
    if sum([account.allocations for account in accounts.values()]) != len(sessions):
        return "quota"
    held = [relay for relay in turn.pool.relays if relay.allocation is not None]
    return "" if all(relay.allocation in sessions for relay in held) else "relays"


def test_whatever_clients_do_the_tables_agree() -> None:
    play = Play()
    moves = len(play.tickets)
    for number in range(4000):
        what = play.step()
        assert not disagreement(play.server), (number, what, disagreement(play.server))
    assert len(play.tickets) > moves + 100  # it wasn't all refused
    play.server.wait(3600)
    assert play.server.turn.live_sessions() == [] and play.server.turn.arriving == {}
    assert play.server.turn.pool.free_slots() == play.server.limits.max_allocations
