"""The long-term credential mechanism (RFC 8489 §9.2): its checks in their order, its algorithms, its users."""

from edgeturn.protocol import credentials as credentials_module
from edgeturn.protocol import stun
from edgeturn.protocol.credentials import MD5, SHA256, Credentials, account_of, expiry_of, long_term_key
from edgeturn.protocol.digests import hmac_sha1, sha256
from edgeturn.protocol.nonce import features_of
from edgeturn.seam import base64
from tests.core.dialogue import (
    PEER,
    REALM,
    REQUESTED_UDP,
    WALL,
    Answer,
    Client,
    Server,
    append,
    encode,
    integrity,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from tests.core.dialogue import Rows

OFFERED = b"\0\x02\0\0\0\x01\0\0"  # SHA-256, then MD5
SHA1, SHA2 = stun.MESSAGE_INTEGRITY, stun.MESSAGE_INTEGRITY_SHA256


def ask(client: Client, rows: "Rows", sign: int = SHA1, key: "bytes | None" = None) -> Answer:
    """Send an Allocate request with just these rows, signed; return the answer."""
    sent: Rows = [REQUESTED_UDP]
    sent += rows
    message = encode(stun.ALLOCATE, client.transaction(), sent, client.key() if key is None else key, sign)
    answer = client.ask(message)
    assert answer is not None
    return answer


def ready(server: Server, user: str = "alice", modern: bool = False, source: str = "1.1.1.1:1000") -> Client:
    """Return a client that has seen the challenge."""
    client = server.client(user, source)
    client.modern = modern
    client.learn()
    return client


def rows_of(client: Client, *without: int) -> "Rows":
    return [row for row in client.credential_rows() if row[0] not in without]


def check_is_challenge(answer: Answer, code: int) -> None:
    """Check what RFC 8489 §9.2.4 wants in 401 and 438, and nothing else."""
    assert answer.code == code
    kinds = [stun.ERROR_CODE, stun.REALM, stun.NONCE, stun.PASSWORD_ALGORITHMS]
    assert [kind for kind, _ in answer.rows] == kinds
    assert answer.value(stun.REALM) == REALM.encode() and answer.value(stun.PASSWORD_ALGORITHMS) == OFFERED


def test_rfc8489_9_2_4_no_integrity_is_401_whatever_else_there_is() -> None:
    client = ready(Server())
    tried: tuple[Rows, ...] = ([], rows_of(client), rows_of(client, stun.NONCE), [(stun.PASSWORD_ALGORITHM, b"")])
    for rows in tried:
        answer = client.ask(encode(stun.ALLOCATE, client.transaction(), rows))
        assert answer is not None
        check_is_challenge(answer, 401)


def test_rfc8489_9_2_4_missing_username_realm_or_nonce_is_400() -> None:
    for modern in (False, True):
        client = ready(Server(), modern=modern)
        for kind in (stun.USERHASH if modern else stun.USERNAME, stun.REALM, stun.NONCE):
            answer = ask(client, rows_of(client, kind))
            assert answer.code == 400 and [row for row, _ in answer.rows] == [stun.ERROR_CODE]


def test_rfc8489_9_2_4_both_ways_to_authenticate() -> None:
    for modern, sign in ((False, SHA1), (True, SHA2)):
        client = ready(Server(), modern=modern)
        answer = client.allocate()
        assert answer.code == 0 and answer.rows[-1][0] == sign and answer.is_signed(sign, client.key())
        assert not answer.has(stun.NONCE) and not answer.has(stun.USERNAME) and not answer.has(stun.USERHASH)
        assert client.permit(PEER) == 0


def test_rfc8489_9_2_4_errors_behind_the_credentials_are_signed() -> None:
    for modern, sign in ((False, SHA1), (True, SHA2)):
        client = ready(Server(), modern=modern)
        answer = client.request(stun.REFRESH, [])
        assert answer.code == 437 and answer.is_signed(sign, client.key())


def test_rfc8489_9_2_4_algorithm_is_md5_where_nothing_is_said() -> None:
    client = ready(Server())
    answer = ask(client, rows_of(client), SHA2)
    assert answer.code == 0 and answer.is_signed(SHA1, client.key())


def test_rfc8489_9_2_4_md5_by_choice_is_answered_with_sha256_integrity() -> None:
    client = ready(Server())
    rows = rows_of(client) + [(stun.PASSWORD_ALGORITHMS, OFFERED), (stun.PASSWORD_ALGORITHM, b"\0\x01\0\0")]
    for sign in (SHA1, SHA2):
        answer = ask(client, rows, sign)
        assert answer.code in (0, 437) and answer.is_signed(SHA2, client.key())


def test_rfc8489_9_2_4_algorithms_that_were_changed_on_the_way_are_400() -> None:
    listed, chosen = stun.PASSWORD_ALGORITHMS, stun.PASSWORD_ALGORITHM
    rows: tuple[tuple[str, Rows], ...] = (
        ("list only", [(listed, OFFERED)]),
        ("choice only", [(chosen, b"\0\x02\0\0")]),
        ("list without SHA-256", [(listed, b"\0\x01\0\0"), (chosen, b"\0\x01\0\0")]),
        ("list in another order", [(listed, b"\0\x01\0\0\0\x02\0\0"), (chosen, b"\0\x01\0\0")]),
        ("empty list", [(listed, b""), (chosen, b"\0\x01\0\0")]),
        ("longer list", [(listed, OFFERED + b"\0\x03\0\0"), (chosen, b"\0\x02\0\0")]),
        ("choice that was not offered", [(listed, OFFERED), (chosen, b"\0\x03\0\0")]),
        ("choice across two entries", [(listed, OFFERED), (chosen, b"\0\0\0\0")]),
        ("choice with parameters", [(listed, OFFERED), (chosen, b"\0\x02\0\x04abcd")]),
        ("choice that claims parameters", [(listed, OFFERED), (chosen, b"\0\x02\0\x04")]),
        ("choice too short", [(listed, OFFERED), (chosen, b"\0\x02")]),
        ("empty choice", [(listed, OFFERED), (chosen, b"")]),
    )
    for what, algorithms in rows:
        client = ready(Server())
        answer = ask(client, rows_of(client) + algorithms)
        assert answer.code == 400, what
        assert [row for row, _ in answer.rows] == [stun.ERROR_CODE], what


def test_rfc8489_9_2_1_bidding_down_by_changed_features_is_438() -> None:
    for features in range(64):
        server = Server()
        client = ready(server)
        client.nonce = client.nonce[:9] + base64(bytes([features << 2, 0, 0])) + client.nonce[13:]
        answer = ask(client, rows_of(client))
        assert answer.code == (0 if features << 2 == 0xC0 else 438)


def test_rfc8489_9_2_4_algorithms_come_before_the_user() -> None:
    client = ready(Server(), "nobody")
    assert ask(client, rows_of(client) + [(stun.PASSWORD_ALGORITHM, b"\0\x02\0\0")]).code == 400


def test_rfc8489_9_2_4_user_and_password_come_before_the_nonce() -> None:
    client = ready(Server())
    client.nonce = b"obMatJos2wAAA" + bytes(15)
    check_is_challenge(ask(client, rows_of(client), key=b"wrong"), 401)
    check_is_challenge(ask(client, rows_of(client)), 438)


def test_rfc8489_9_2_4_unknown_user_and_wrong_password_get_the_same_answer() -> None:
    for modern in (False, True):
        answers = []
        for user, password in (("alice", b"wrong"), ("nobody", b"pa"), ("", b""), ("bob", b"pa")):
            client = ready(Server(secrets=(b"s1", b"s2")), user, modern)
            client.password = password
            answer = ask(client, rows_of(client), SHA2 if modern else SHA1)
            check_is_challenge(answer, 401)
            answers.append(answer.data)
        assert answers == [answers[0]] * 4


class Counter:
    """Counts the calls of a function."""

    def __init__(self, function: "Callable[..., bytes]") -> None:
        self.function = function
        self.calls = 0

    def __call__(self, *arguments: object) -> bytes:
        self.calls += 1
        return self.function(*arguments)


def work_of(ask_once: "Callable[[Client], Answer]", client: Client) -> "tuple[int, ...]":
    """Return how often each keyed hash and each key derivation ran for a refused request."""
    codec: Any = stun
    keys: Any = credentials_module
    before = (codec.INTEGRITY_HASHES, keys._KEY_HASHES, keys.hmac_sha1)
    counted = {kind: Counter(before[0][kind]) for kind in (SHA1, SHA2)}
    derived = {kind: Counter(before[1][kind]) for kind in (MD5, SHA256)}
    passwords = Counter(before[2])
    codec.INTEGRITY_HASHES, keys._KEY_HASHES, keys.hmac_sha1 = counted, derived, passwords
    try:
        assert ask_once(client).code == 401
    finally:
        codec.INTEGRITY_HASHES, keys._KEY_HASHES, keys.hmac_sha1 = before
    return counted[SHA1].calls, counted[SHA2].calls, derived[MD5].calls, derived[SHA256].calls, passwords.calls


def ask_in_its_way(client: Client) -> Answer:
    return ask(client, rows_of(client), SHA2 if client.modern else SHA1)


def test_rfc8489_16_1_2_unknown_user_and_wrong_password_cost_the_same() -> None:
    for secrets in ((), (b"s1",), (b"s1", b"s2", b"s3")):
        for modern in (False, True):
            seen = set()
            for user in ("alice", "nobody", f"{WALL + 60}:carol", f"{WALL - 60}:carol", "1"):
                client = ready(Server(secrets=secrets), user, modern)
                client.password = b"wrong"
                seen.add(work_of(ask_in_its_way, client))
            count = len(secrets)
            hashes = (0, count + 1, 0, count, count) if modern else (count + 1, 0, count, 0, count)
            assert seen == {hashes}


def test_rfc8489_9_2_4_wrong_realm_is_401() -> None:
    client = ready(Server())
    rows: Rows = rows_of(client, stun.REALM) + [(stun.REALM, b"example.com")]
    check_is_challenge(ask(client, rows), 401)


def test_rfc8489_14_5_integrity_of_a_wrong_size_or_value_is_401() -> None:
    for sign, sizes in ((SHA1, (0, 4, 16, 19, 21, 24)), (SHA2, (0, 4, 16, 20, 28, 31, 33, 36))):
        client = ready(Server())
        unsigned = encode(stun.ALLOCATE, client.transaction(), [REQUESTED_UDP] + rows_of(client))
        right = integrity(sign, client.key(), unsigned)
        for value in [(right + bytes(4))[:size] for size in sizes] + [bytes(len(right))]:
            answer = client.ask(append(unsigned, sign, value))
            assert answer is not None and answer.code == 401
        for at in (0, len(right) - 1):
            flipped = right[:at] + bytes([right[at] ^ 1]) + right[at + 1 :]
            answer = client.ask(append(unsigned, sign, flipped))
            assert answer is not None and answer.code == 401
        answer = client.ask(append(unsigned, sign, right))
        assert answer is not None and answer.code == 0


def test_rfc8489_9_2_4_of_both_integrities_sha256_counts() -> None:
    for first, second, code in ((b"wrong", None, 0), (None, b"wrong", 401), (b"wrong", b"wrong", 401)):
        client = ready(Server())
        message = encode(stun.ALLOCATE, client.transaction(), [REQUESTED_UDP] + rows_of(client))
        for sign, key in ((SHA1, first), (SHA2, second)):
            message = append(message, sign, integrity(sign, client.key() if key is None else key, message))
        answer = client.ask(message)
        assert answer is not None and answer.code == code


def test_rfc8489_14_5_integrity_covers_everything_before_it() -> None:
    client = ready(Server(unauthenticated_rate=0))
    whole = client.signed(stun.ALLOCATE, [REQUESTED_UDP, (stun.SOFTWARE, b"me, myself and I")])
    for at in range(40, 60):
        answer = client.ask(whole[:at] + bytes([whole[at] ^ 0x20]) + whole[at + 1 :])
        assert answer is None or answer.code in (400, 401, 438), at
    assert len(client.server.turn.clients[client.via]) == 0


def test_rfc8489_14_4_userhash_finds_the_user() -> None:
    client = ready(Server())
    hashed = sha256(b"alice:" + REALM.encode())
    rows: Rows = [(stun.USERHASH, hashed)] + rows_of(client, stun.USERNAME)
    assert ask(client, rows).code == 0
    for value, code in ((hashed[:31], 400), (hashed + b"\0", 400), (b"", 400), (bytes(32), 401), (sha256(b""), 401)):
        changed: Rows = [(stun.USERHASH, value)] + rows_of(client, stun.USERNAME)
        assert ask(client, changed).code == code


def test_rfc8489_14_4_userhash_is_no_name() -> None:
    name = "a name of just thirty-two bytes!"
    client = ready(Server(users=((name, "pw"),)), name)
    client.password = b"pw"
    rows: Rows = [(stun.USERHASH, name.encode())] + rows_of(client, stun.USERNAME)
    assert ask(client, rows).code == 401
    assert ask(client, rows_of(client)).code == 0


def test_rfc8489_14_3_long_usernames() -> None:
    for size, code in ((1, 0), (508, 0), (763, 0), (764, 400), (5000, 400)):
        name = "n" * size
        client = ready(Server(users=((name, "pw"),)), name)
        client.password = b"pw"
        assert ask(client, rows_of(client)).code == code, size


# Users and secrets.


def time_limited(server: Server, username: str, secret: bytes, modern: bool = False) -> Answer:
    """Ask with a time-limited credential, from an address for each secret."""
    client = server.client(username, f"1.1.1.{100 + len(secret)}:1000")
    client.password = base64(hmac_sha1(secret, client.user))
    client.modern = modern
    client.learn()
    rows = rows_of(client, stun.USERHASH)
    if modern:
        rows = [(stun.USERNAME, client.user)] + rows
    return ask(client, rows, SHA2 if modern else SHA1)


def test_time_limited_credentials_until_their_expiry() -> None:
    rows = (
        (f"{WALL + 60}:carol", 0),
        (f"{WALL + 60}", 0),
        (f"{WALL + 60}:", 0),
        (f"{WALL + 60}:carol:at:home", 0),
        (f"{WALL + 1}:carol", 0),
        (f"{WALL}:carol", 401),
        (f"{WALL - 1}:carol", 401),
        ("0:carol", 401),
        ("carol", 401),
        (f"carol:{WALL + 60}", 401),
        (f"-{WALL + 60}:carol", 401),
        (f" {WALL + 60}:carol", 401),
        (f"{WALL + 60}x:carol", 401),
        (f"{WALL}0000:carol", 401),
        (":carol", 401),
        ("", 401),
    )
    for username, code in rows:
        for modern in (False, True):
            assert time_limited(Server(secrets=(b"secret",)), username, b"secret", modern).code == code, username


def test_several_secrets_and_static_users_at_the_same_time() -> None:
    server = Server(secrets=(b"the old", b"new"), user_quota=0)
    for secret, code in ((b"the old", 0), (b"new", 0), (b"wrong", 401), (b"", 401)):
        assert time_limited(server, f"{WALL + 60}:carol", secret).code == code, secret
    assert ready(server).allocate().code == 0
    assert ready(server, "bob", source="1.1.1.2:1").allocate().code == 0


def test_without_secrets_there_are_no_time_limited_credentials() -> None:
    assert time_limited(Server(), f"{WALL + 60}:carol", b"").code == 401


def test_expired_credential_goes_on_for_its_allocation_only() -> None:
    server = Server(secrets=(b"s",))
    carol = server.client(f"{WALL + 60}:carol")
    carol.password = base64(hmac_sha1(b"s", carol.user))
    carol.relayed()
    server.wait(61)
    assert carol.refresh(600).code == 0
    second = server.client(f"{WALL + 60}:carol", "1.1.1.2:1")
    second.password = carol.password
    assert second.allocate().code == 401
    carol.refresh(0)
    assert carol.allocate().code == 401


def test_wrong_password_on_a_known_tuple_is_401() -> None:
    for modern in (False, True):
        server = Server()
        alice = ready(server, modern=modern)
        alice.relayed()
        alice.password = b"wrong"
        assert alice.refresh(0).code == 401
        alice.password = b"pa"
        assert alice.refresh(0).code == 0


def test_rfc8656_5_same_user_may_change_its_algorithm() -> None:
    server = Server()
    alice = ready(server)
    alice.relayed()
    alice.modern = True
    assert alice.permit(PEER) == 0


def test_rfc8656_5_time_limited_user_with_another_expiry_is_another_user() -> None:
    server = Server(secrets=(b"s",))
    for expiry, code in ((60, 0), (61, 441), (60, 0)):
        carol = server.client(f"{WALL + expiry}:carol")
        carol.password = base64(hmac_sha1(b"s", carol.user))
        if not server.turn.clients[carol.via]:
            carol.relayed()
        assert carol.permit(PEER) == code


def test_precomputed_keys() -> None:
    for algorithms, offered in (((MD5,), b"\0\x01\0\0"), ((MD5, SHA256), OFFERED)):
        server = Server(users=())
        keys = {kind: long_term_key(kind, b"alice", REALM.encode(), b"pa") for kind in algorithms}
        users = Credentials(REALM.encode(), bytes(32))
        users.add_user_keys(b"alice", keys)
        server.turn.authenticator.use(users)
        client = ready(server)
        assert client.offered == offered
        assert features_of(client.nonce) == 0xC0
        assert client.allocate().code == 0


def test_rfc8489_18_5_keys_of_both_algorithms() -> None:
    assert long_term_key(MD5, b"user", b"realm", b"pass").hex() == "8493fbc53ba582fb4c044c456bdc40eb"
    assert long_term_key(SHA256, b"u", b"r", b"p") == sha256(b"u:r:p")


def test_names_behind_time_limited_usernames() -> None:
    rows = (
        (b"123:carol", 123, b"carol"),
        (b"123", 123, b"123"),
        (b"123:a:b", 123, b"a:b"),
        (b"0:carol", 0, b"0:carol"),
        (b"carol", 0, b"carol"),
        (b"12a:carol", 0, b"12a:carol"),
        (b"", 0, b""),
        (b":", 0, b":"),
        (b"999999999999:c", 999999999999, b"c"),
        (b"1000000000000:c", 0, b"1000000000000:c"),
    )
    for username, expiry, account in rows:
        assert (expiry_of(username), account_of(username)) == (expiry, account), username


def test_answer_to_a_stranger_is_short() -> None:
    table: "tuple[tuple[Rows, int], ...]" = (([], 450), ([REQUESTED_UDP], 330))
    for rows, most in table:  # bytes for a hundred that were asked
        client = Server().client()
        request = encode(stun.ALLOCATE, client.transaction(), rows)
        answer = client.ask(request)
        assert answer is not None and 100 * len(answer.data) <= most * len(request)


def test_strangers_leave_no_state() -> None:
    server = Server(unauthenticated_rate=0)
    state = server.turn
    before = (len(state.pool.accounts._used), state.pool.free_slots(), state.due, state.sessions)
    for port in range(1000, 1100):
        client = ready(server, "alice", source=f"1.1.1.1:{port}")
        client.password = b"wrong"
        for method in (stun.ALLOCATE, stun.REFRESH, stun.CREATE_PERMISSION, stun.CHANNEL_BIND):
            assert client.ask(encode(method, client.transaction(), [REQUESTED_UDP])) is not None
            assert client.request(method, [REQUESTED_UDP]).code == 401
    assert not state.live_sessions() and not state.relayed
    assert (len(state.pool.accounts._used), state.pool.free_slots(), state.due, state.sessions) == before


def test_digests_are_compared_by_the_seam_in_constant_time() -> None:
    compared: list[int] = []
    original = stun.same  # type: ignore[attr-defined]

    def same(left: bytes, right: bytes) -> bool:
        compared.append(len(right))
        return bool(original(left, right))

    stun.same = same  # type: ignore[assignment, attr-defined]
    try:
        for modern in (False, True):
            assert ready(Server(), modern=modern).allocate().code == 0
    finally:
        stun.same = original  # type: ignore[attr-defined]
    assert 20 in compared and 32 in compared


def test_stale_nonce_is_answered_even_over_the_budget_of_strangers() -> None:
    server = Server(unauthenticated_rate=1, nonce_lifetime=60)
    client = server.client()
    client.relayed()
    server.wait(61)
    for port in range(2000, 2020):
        server.client(source=f"1.1.1.1:{port}").ask(stun.encode(stun.BINDING, stun.COOKIE + bytes(12), []))
    assert client.refresh(600).code == 438


def test_rfc8489_9_2_4_session_survives_a_change_of_the_offered_algorithms() -> None:
    server = Server()
    client = ready(server, modern=True)
    client.relayed()
    only_md5 = Credentials(REALM.encode(), bytes(32))
    only_md5.add_user(b"alice", b"pa")
    only_md5.add_user_keys(b"bob", {MD5: bytes(16)})
    server.turn.authenticator.use(only_md5)
    answer = client.refresh(600)
    assert answer.code == 438
    client.take_nonce(answer)
    assert client.offered == b"\0\x01\0\0"


def test_neighbours_of_a_flood_can_log_in_once_they_were_challenged() -> None:
    server = Server(unauthenticated_rate=1)
    client = server.client()
    client.learn()
    stranger = server.client(source="1.1.1.9:9")
    while stranger.ask(stun.encode(stun.BINDING, stun.COOKIE + bytes(12), [])) is not None:
        pass
    assert server.client(source="1.1.1.8:8").ask(stun.encode(stun.ALLOCATE, stun.COOKIE + bytes(12), [])) is None
    assert client.allocate().code == 0
