"""Third-party authorization (RFC 7635): a token stands for the password, as long as it lasts."""

from struct import pack

from edgeturn.protocol import stun
from edgeturn.protocol.digests import hmac_sha256, sha256
from edgeturn.protocol.token import CLOCK_SLACK, Tokens
from tests.core.dialogue import PEER, REQUESTED_UDP, WALL, Answer, Client, Server, credentials, encode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tests.core.dialogue import Rows

KID, SERVER = b"north", b"relay.example.org"
SHARED = b"shared with the authorization server"
NONCE = b"h4j3k2l2n4b5"
HOUR = 3600


def sealer(key: bytes, nonce: bytes, block: bytes, associated: bytes) -> bytes:
    """Return a block masked and with a tag: no AES-GCM, which not every interpreter has, but it opens like one."""
    stream = b"".join([hmac_sha256(key, nonce + bytes([at])) for at in range(len(block) // 32 + 1)])
    masked = bytes([block[at] ^ stream[at] for at in range(len(block))])
    return masked + hmac_sha256(key, nonce + associated + masked)[:16]


def open_sealed(nonce: bytes, sealed: bytes, associated: bytes) -> "bytes | None":
    block = sealer(SHARED, nonce, sealed[:-16], associated)[:-16]
    return block if sealer(SHARED, nonce, block, associated) == sealed else None


def token(
    mac_key: bytes, since: int = WALL, lifetime: int = HOUR, server: bytes = SERVER, key: bytes = SHARED
) -> bytes:
    """Return the value of ACCESS-TOKEN."""
    block = pack("!H", len(mac_key)) + mac_key + pack("!QI", since << 16, lifetime)
    return pack("!H", len(NONCE)) + NONCE + sealer(key, NONCE, block, server)


def keys(begins: int = 0, ends: int = 0) -> Tokens:
    made = Tokens(SERVER)
    made.add(KID, open_sealed, begins, ends)
    return made


class Bearer(Client):
    """A client that has a token instead of a password."""

    def __init__(self, server: Server, mac_key: bytes = bytes(20), source: str = "1.1.1.1:1000") -> None:
        super().__init__(server, source, server.listeners[0], KID, b"")
        self.mac_key = mac_key
        self.token = token(mac_key)
        self.sign = stun.MESSAGE_INTEGRITY

    def key(self) -> bytes:
        return self.mac_key

    def bring(self, method: int, *rows: "tuple[int, bytes | str]") -> Answer:
        """Send a request with the token; return its answer."""
        return self.request(method, [(stun.ACCESS_TOKEN, self.token)] + list(rows))

    def allocate(self, *rows: "tuple[int, bytes | str]") -> Answer:
        return self.bring(stun.ALLOCATE, REQUESTED_UDP, *rows)


def serving() -> Server:
    """Return a server that takes tokens; its clock stands at START where Unix time is WALL."""
    server = Server(unauthenticated_rate=0)
    made = credentials((("alice", "pa"),), ())
    made.tokens = keys()
    server.turn.authenticator.use(made)
    return server


# The dance.


def test_rfc7635_6_1_a_challenge_names_the_server() -> None:
    answer = Bearer(serving()).learn()
    assert answer.code == 401 and answer.value(stun.THIRD_PARTY_AUTHORIZATION) == SERVER
    assert not Server().client().learn().has(stun.THIRD_PARTY_AUTHORIZATION)


def test_rfc7635_7_a_token_serves_as_the_password_and_its_key_signs_the_answers() -> None:
    bearer = Bearer(serving())
    answer = bearer.allocate()  # its integrity is checked there
    assert answer.code == 0
    assert bearer.bring(stun.REFRESH).code == 0
    assert bearer.permit(PEER) == 0 and bearer.bind(0x4000, PEER) == 0  # without the token, as coturn's client does
    assert bearer.channel(0x4000, b"x") is not None


def test_the_answer_is_signed_as_the_request_was() -> None:
    bearer = Bearer(serving())
    bearer.learn()
    rows = [REQUESTED_UDP, (stun.ACCESS_TOKEN, bearer.token)] + bearer.credential_rows()
    sign = stun.MESSAGE_INTEGRITY_SHA256
    answer = bearer.ask(encode(stun.ALLOCATE, bearer.transaction(), rows, bearer.key(), sign))
    assert answer is not None and answer.code == 0 and answer.is_signed(sign, bearer.key())
    assert bearer.permit(PEER) == 0  # and that one by SHA-1 again


def test_passwords_work_beside_tokens() -> None:
    server = serving()
    assert Bearer(server).allocate().code == 0
    assert server.client(source="2.2.2.2:2").allocate().code == 0


def test_rfc8656_5_a_bearer_and_a_user_are_two() -> None:
    server = serving()
    Bearer(server).allocate()
    assert server.client().refresh(600).code == 441
    server.client(source="2.2.2.2:2").relayed()
    assert Bearer(server, source="2.2.2.2:2").bring(stun.REFRESH).code == 441


def test_a_stale_nonce_is_438() -> None:
    server = serving()
    server.turn.authenticator.nonces.lifetime = 100
    bearer = Bearer(server)
    bearer.allocate()
    server.wait(100)
    assert bearer.bring(stun.REFRESH).code == 438


def test_another_realm_is_401() -> None:
    bearer = Bearer(serving())
    bearer.learn()
    rows: "Rows" = [REQUESTED_UDP, (stun.ACCESS_TOKEN, bearer.token), (stun.USERNAME, KID)]
    rows += [(stun.REALM, b"elsewhere"), (stun.NONCE, bearer.nonce)]
    answer = bearer.ask(encode(stun.ALLOCATE, bearer.transaction(), rows, bearer.key(), stun.MESSAGE_INTEGRITY))
    assert answer is not None and answer.code == 401


# Tokens that don't count.


def test_rfc7635_7_what_is_no_token_of_ours_is_401() -> None:
    good = token(bytes(20))
    rows = (
        ("empty", b""),
        ("for another server", token(bytes(20), server=b"elsewhere")),
        ("by another key", token(bytes(20), key=b"another")),
        ("nonce of no length", b"\0\0" + good[2:]),
        ("nonce that is longer than all", b"\xff\xff" + good[2:]),
        ("nonce of another length", b"\0\x0d" + good[2:]),
        ("short mac_key", token(bytes(8))),
        ("long mac_key", token(bytes(65))),
        ("with more behind", good + b"\0"),
        ("huge", good + bytes(1000)),
        ("the key's length is too large", sealed(b"\0\x15" + bytes(20) + pack("!QI", WALL << 16, HOUR))),
        ("the key's length is too small", sealed(b"\0\x13" + bytes(20) + pack("!QI", WALL << 16, HOUR))),
        ("something behind the times", sealed(b"\0\x10" + bytes(16) + pack("!QI", WALL << 16, HOUR) + bytes(4))),
        ("the key's length is absurd", sealed(b"\xff\xff" + bytes(20) + pack("!QI", WALL << 16, HOUR))),
    )
    bearer = Bearer(serving())
    assert bearer.allocate().code == 0 and bearer.refresh(0).code == 0
    for what, value in rows:
        bearer.token = value
        assert bearer.allocate().code == 401, what


def sealed(block: bytes) -> bytes:
    return pack("!H", len(NONCE)) + NONCE + sealer(SHARED, NONCE, block, SERVER)


def test_every_truncation_and_every_flipped_bit_is_none() -> None:
    tokens, good = keys(), token(bytes(20))
    assert tokens.read(KID, good, WALL) is not None
    for at in range(len(good)):
        assert tokens.read(KID, good[:at], WALL) is None
        for bit in range(8):
            assert tokens.read(KID, good[:at] + bytes([good[at] ^ 1 << bit]) + good[at + 1 :], WALL) is None


def test_an_unknown_kid_and_a_wrong_mac_key_are_401() -> None:
    server = serving()
    bearer = Bearer(server)
    bearer.user = b"south"
    assert bearer.allocate().code == 401
    bearer = Bearer(server)
    bearer.mac_key = bytes(19) + b"\1"
    assert bearer.allocate().code == 401


def test_where_nobody_gave_a_key_a_token_is_401() -> None:
    server = Server()
    assert Bearer(server).allocate().code == 401
    assert server.client().allocate((stun.ACCESS_TOKEN, token(bytes(20)))).code == 0  # who knows a password needs none


def test_rfc7635_7_lifetime_and_slack() -> None:
    tokens = keys()
    for since, wall, counts in (
        (WALL, WALL, True),
        (WALL, WALL + HOUR + CLOCK_SLACK - 1, True),
        (WALL, WALL + HOUR + CLOCK_SLACK, False),
        (WALL, WALL - HOUR - CLOCK_SLACK + 1, True),
        (WALL, WALL - HOUR - CLOCK_SLACK, False),
        (0, WALL, False),
        ((1 << 48) - 1, WALL, False),
    ):
        assert (tokens.read(KID, token(bytes(20), since), wall) is not None) == counts, (since, wall)


def test_a_shared_key_counts_between_its_times() -> None:
    tokens = keys(begins=WALL, ends=WALL + 10)
    for wall, counts in ((WALL - 1, False), (WALL, True), (WALL + 9, True), (WALL + 10, False)):
        assert (tokens.read(KID, token(bytes(20)), wall) is not None) == counts


# While a session lasts.


def test_rfc7635_7_no_allocation_outlives_its_token() -> None:
    server = serving()
    bearer = Bearer(server)
    bearer.token = token(bytes(20), WALL, 100)
    lifetime = (stun.LIFETIME, pack("!I", 3600))
    assert bearer.allocate(lifetime).number(stun.LIFETIME) == 100 + CLOCK_SLACK
    server.wait(60)
    assert bearer.bring(stun.REFRESH, lifetime).number(stun.LIFETIME) == 40 + CLOCK_SLACK
    assert bearer.refresh(3600).number(stun.LIFETIME) == 40 + CLOCK_SLACK  # without the token no longer either
    server.wait(40 + CLOCK_SLACK - 1)
    assert bearer.permit(PEER) == 0
    server.wait(1)
    assert bearer.permit(PEER) == 401 and server.turn.live_sessions() == []


def test_rfc7635_7_a_new_token_goes_on_with_its_own_key() -> None:
    server = serving()
    bearer = Bearer(server)
    bearer.token = token(bytes(20), WALL, 600)
    bearer.allocate()
    server.wait(500)
    bearer.mac_key = b"another key of 20 by"
    assert bearer.permit(PEER) == 401  # that comes with a token first
    bearer.token = token(bearer.mac_key, WALL + 500)
    assert bearer.bring(stun.REFRESH).code == 0 and bearer.permit(PEER) == 0
    bearer.mac_key = bytes(20)
    assert bearer.permit(PEER) == 401
    server.wait(500)
    assert len(server.turn.live_sessions()) == 1


def test_rfc7635_7_a_new_token_may_be_by_another_key() -> None:
    server = serving()
    bearer = Bearer(server)
    bearer.allocate()
    made = credentials((), ())
    made.tokens = keys()
    made.tokens.add(b"south", open_sealed)
    server.turn.authenticator.use(made)
    bearer.user = b"south"
    assert bearer.permit(PEER) == 401
    assert bearer.bring(stun.REFRESH).code == 0 and bearer.permit(PEER) == 0
    bearer.user = KID
    assert bearer.permit(PEER) == 401


def test_clients_of_coturn_sign_with_the_first_16_bytes_of_the_key() -> None:
    bearer = Bearer(serving(), b"0123456789abcdefghij")
    bearer.mac_key = b"0123456789abcdef"
    assert bearer.allocate().code == 0 and bearer.permit(PEER) == 0  # and so are the answers


def test_a_user_who_is_no_bearer_changes_nothing() -> None:
    server = serving()
    bearer = Bearer(server)
    bearer.allocate()
    assert server.client().refresh(0).code == 441
    assert bearer.permit(PEER) == 0


def test_quotas_count_per_mac_key() -> None:
    server = serving()
    server.limits.user_quota = 1
    assert Bearer(server, b"1" * 20).allocate().code == 0
    assert Bearer(server, b"1" * 20, "2.2.2.2:2").allocate().code == 486
    assert Bearer(server, b"2" * 20, "3.3.3.3:3").allocate().code == 0
    assert server.client(source="4.4.4.4:4").allocate().code == 0


def test_a_token_serves_from_anywhere_while_it_lasts() -> None:
    server = serving()
    assert [Bearer(server, source="5.5.5.5:" + str(port)).allocate().code for port in (1, 2, 3)] == [0, 0, 0]


def test_a_session_may_move_to_where_its_bearer_goes() -> None:
    server = serving()
    bearer, away = Bearer(server), Bearer(server, source="3.3.3.3:3")
    ticket = bearer.allocate((stun.MOBILITY_TICKET, b"")).value(stun.MOBILITY_TICKET)
    bearer.bind(0x4000, PEER)
    assert away.bring(stun.REFRESH, (stun.MOBILITY_TICKET, ticket)).code == 0
    assert away.channel(0x4000, b"x") is not None and away.permit(PEER) == 0


def test_what_quotas_are_counted_by_is_nobodys_name() -> None:
    found = keys().read(KID, token(bytes(20)), WALL)
    assert found is not None and found.account(KID) == b"\0north\0" + sha256(bytes(20))[:16]
