"""Invariant: whatever arrives, nothing escapes, memory stays flat, and no datagram without credentials is answered by
more than ALLOWED bytes a byte.

Mutations of captured datagrams, from strangers and from a known client; of requests that are signed afterwards, so that
they get behind the authentication; and of what peers and ICMP errors bring, while time goes on. It runs on both
interpreters: `micropython tests/micropython.py tests/fuzz/test_datagrams.py`. EDGETURN_FUZZ_DATAGRAMS says how many,
EDGETURN_FUZZ_SEED which; what fails prints its seed, its number and the datagram.
"""

import os

from edgeturn.protocol import stun
from edgeturn.protocol.limits import HEADROOM
from tests.fuzz.mutations import MUTATIONS, Dice, join, mutate, split
from tests.fuzz.world import PEERS, SLACK, SOURCES, World, corpus, memory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tests.fuzz.world import Sent

DATAGRAMS = int(os.getenv("EDGETURN_FUZZ_DATAGRAMS") or 100000)
SEED = int(os.getenv("EDGETURN_FUZZ_SEED") or 8656)

# The emptiest request there is, 20 bytes of Allocate, is answered by 88 bytes with this realm; coturn answers by more.
ALLOWED = 4.5
# All that strangers send in one run against all that they get: most of what is broken gets no answer.
ALLOWED_IN_ALL = 1.0

NAMES = (b"alice", b"bob", b"2000000000:carol")
CREDENTIALS = (stun.USERNAME, stun.REALM, stun.NONCE, stun.MESSAGE_INTEGRITY, stun.FINGERPRINT)
ROUNDS = 8  # after each of them everything ends, so that what is left in memory can be compared


class Fuzz:
    """A run: what was sent and what came back."""

    def __init__(self, seed: int) -> None:
        self.dice = Dice(seed)
        self.world = World()
        self.requests, answers = corpus()
        self.seeds = self.requests + answers
        self.asked = 0
        self.answered = 0
        self.last = b""
        self.acts = [self.raw, self.signed] * 3
        self.acts += [self.peer, self.icmp, self.pass_time]

    def one(self) -> None:
        """Do one thing, each thing as often as it stands among the acts."""
        self.acts[self.dice.below(len(self.acts))]()

    def raw(self) -> None:
        """A mutated datagram, without valid credentials."""
        dice = self.dice
        source = SOURCES[dice.below(len(SOURCES))]
        self.last = data = mutate(dice, self.seeds[dice.below(len(self.seeds))], self.seeds)
        sent = self.world.client(source, data)
        self.check(sent)
        self.asked += len(data)
        if sent is not None:
            self.answered += len(sent[2])
            assert len(sent[2]) <= ALLOWED * len(data), "amplified"

    def signed(self) -> None:
        """A request with mutated attributes and good credentials, so that the handlers see it."""
        dice = self.dice
        source = SOURCES[dice.below(len(SOURCES))]
        seed = self.requests[dice.below(len(self.requests))]
        while seed[0] & 0xC0 or len(split(seed)) < 2:
            seed = self.requests[dice.below(len(self.requests))]
        body = join(seed, [row for row in split(seed) if row[0] not in CREDENTIALS])
        for _ in range(dice.below(3)):
            body = MUTATIONS[dice.below(len(MUTATIONS))](dice, body, self.requests) or body
        rows = [row for row in split(body) if row[0] not in CREDENTIALS]
        kind = int.from_bytes(seed[:2], "big")
        transaction = body[4:20] if dice.below(2) else b""  # which masks the IPv6 addresses in it
        self.last = data = self.world.signed(source, self.name_for(source), kind, rows, transaction)
        self.check(self.world.client(source, data))

    def name_for(self, source: bytes) -> bytes:
        """Return a user for a source, mostly the same one: an allocation belongs to one user."""
        return NAMES[self.dice.below(len(NAMES)) if self.dice.once_in(4) else SOURCES.index(source) % len(NAMES)]

    def peer(self) -> None:
        """A datagram of a peer or of anybody at a relayed address that is in use."""
        dice = self.dice
        used = list(self.world.turn.relayed.values())
        if not used:
            return self.world.settle()
        self.last = data = mutate(dice, self.seeds[dice.below(len(self.seeds))], self.seeds)
        source = PEERS[dice.below(len(PEERS))] if dice.below(4) else dice.data(6)
        index = used[dice.below(len(used))]
        sent = self.world.peer(index, source, data)
        self.check(sent)
        assert sent is None or len(sent[2]) <= HEADROOM + len(data) + 3
        return None

    def icmp(self) -> None:
        """An ICMP error about a datagram to a peer."""
        dice = self.dice
        used = list(self.world.turn.relayed.values())
        self.last = error = bytes([dice.below(16)]) + dice.data(5)
        if used:
            peer = PEERS[dice.below(len(PEERS))]
            self.check(self.world.icmp(used[dice.below(len(used))], peer, error))

    def pass_time(self) -> None:
        """Some seconds, and now and then an hour."""
        self.world.wait(self.dice.below(30) if self.dice.below(20) else 3600)

    def check(self, sent: "Sent") -> None:
        """What leaves goes to somebody, and as a message or ChannelData where it goes to a client."""
        if sent is None:
            return
        out, destination, data = sent
        assert len(destination) in (6, 18)
        if out == self.world.via:
            assert destination in SOURCES
            if data[0] & 0xC0:
                assert len(data) >= 4 + int.from_bytes(data[2:4], "big")
            else:
                stun.Message(data)


def test_mutated_datagrams() -> None:
    fuzz = Fuzz(SEED)
    sizes = []
    for number in range(DATAGRAMS):
        if number % (DATAGRAMS // ROUNDS or 1) == 0:
            sizes.append(rest(fuzz))
        try:
            fuzz.one()
        except Exception:
            print("seed", SEED, "number", number, "datagram", fuzz.last.hex())
            raise
    sizes.append(rest(fuzz))
    print(DATAGRAMS, "datagrams, answered", fuzz.answered, "bytes for", fuzz.asked, "memory", sizes)
    assert fuzz.answered <= ALLOWED_IN_ALL * fuzz.asked
    assert sizes[-1] <= sizes[1] + SLACK, sizes


def rest(fuzz: Fuzz) -> int:
    """Let everything end, measure, and begin anew."""
    fuzz.world.clear()
    fuzz.last = b""
    size = memory()
    fuzz.world.settle()
    return size


def test_the_corpus_is_read_by_the_codec() -> None:
    """Every captured message is a good one; so the mutations begin with what clients really send."""
    requests, answers = corpus()
    assert len(requests) > 30 and len(answers) > 20
    for data in requests + answers:
        if data[0] & 0xC0 == 0:
            assert stun.Message(data).data == data


def test_the_known_client_has_all_it_can_have() -> None:
    """Without it the fuzzer would fuzz the login only."""
    world = World()
    world.settle()
    owner = world.turn.live_sessions()[0]
    assert len(owner.channels) == 3 and owner.count_permissions() == 3
    assert len(world.turn.relayed) == 2
