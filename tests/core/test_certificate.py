"""Reading certificates and keys, and judging what clients will say of them (RFC 5280, RFC 5915, RFC 5958, RFC 7468)."""

from edgeturn.protocol import certificate
from edgeturn.protocol.certificate import BadCertificate, Block, Certificate, date
from edgeturn.relay.tls.certificates import NEAR, Chain, Told
from tests.core.certificates import (
    ED25519,
    ED25519_KEY,
    ENCRYPTED_KEY,
    ISSUING,
    LEAF,
    LEAF_KEY,
    LEAF_KEY_EC,
    ROOT,
    RSA,
    RSA_KEY,
    RSA_KEY_1,
)
from tests.core.dialogue import raises

BORN = 1767323045  # 2026-01-02 03:04:05 UTC
DAY = 86400
NOBODY = Told([], [])


def only(pem: bytes) -> Block:
    """Return the one block of a PEM text."""
    (found,) = certificate.blocks(pem)
    return found


def read(pem: bytes) -> Certificate:
    return Certificate(only(pem).der)


def chain(*pems: bytes) -> Chain:
    return Chain([read(pem) for pem in pems], "a.crt")


def test_rfc5280_4_1_2_fields_are_read() -> None:
    leaf = read(LEAF)
    assert leaf.dns == [b"turn.example.org", b"*.example.net"]
    assert leaf.ips == [b"\xc0\x00\x02\x01", b"\x20\x01\x0d\xb8" + bytes(11) + b"\x01"]
    assert certificate.common_name(leaf.subject) == b"turn.example.org"
    assert leaf.issuer == read(ISSUING).subject and certificate.common_name(leaf.issuer) == b"Issuing CA"
    assert (leaf.is_self_issued(), read(ISSUING).is_self_issued(), read(ROOT).is_self_issued()) == (False, False, True)


def test_rfc5280_4_1_2_5_both_kinds_of_time_are_read() -> None:
    assert (read(LEAF).not_before, read(LEAF).not_after) == (BORN, BORN + 36524 * DAY)  # GeneralizedTime, 2126
    assert read(RSA).not_after == 2508667200 and read(ISSUING).not_after == 1956527999  # UTCTime


def test_rfc5280_4_1_2_5_1_two_digits_of_a_year_are_of_1950_to_2049() -> None:
    der = only(RSA).der
    for digits, day in ((b"50", "1950-06-30"), (b"99", "1999-06-30"), (b"00", "2000-06-30"), (b"49", "2049-06-30")):
        assert date(Certificate(der.replace(b"490630", digits + b"0630")).not_after) == day
    for wrong in (b"491330", b"490032", b"4906a0", b"49063 "):
        assert raises(BadCertificate, Certificate, der.replace(b"490630", wrong)), wrong


def test_days_are_written_as_dates() -> None:
    for text, seconds in (
        ("1970-01-01", 0),
        ("1970-01-01", DAY - 1),
        ("1969-12-31", -1),
        ("2000-02-29", 951782400),
        ("2026-12-31", 1798675200),
        ("2027-01-01", 1798761600),
        ("2100-03-01", 4107542400),
        ("9999-12-31", 253402300799),
    ):
        assert date(seconds) == text, (text, date(seconds))


def test_rfc7468_blocks_stand_in_any_text() -> None:
    text = b"subject=who\n" + LEAF + b"between\r\n" + ISSUING.replace(b"\n", b"\r\n") + LEAF_KEY
    found = certificate.blocks(text)
    assert [block.label for block in found] == [b"CERTIFICATE", b"CERTIFICATE", b"PRIVATE KEY"]
    assert [block.is_key() for block in found] == [False, False, True]
    assert found[1].der == only(ISSUING).der and not certificate.blocks(b"no PEM") and not certificate.blocks(b"")
    for end in range(30, len(LEAF) - 2):
        assert raises(BadCertificate, certificate.blocks, LEAF[:end]) or not certificate.blocks(LEAF[:end]), end


def test_rfc7468_10_and_rfc1421_encrypted_keys_are_known() -> None:
    old = LEAF_KEY_EC.replace(b"KEY-----\nM", b"KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nM")
    assert [only(key).is_encrypted for key in (ENCRYPTED_KEY, old, LEAF_KEY_EC, LEAF_KEY)] == [True, True, False, False]


def test_keys_belong_to_their_certificates() -> None:
    mine = {"leaf": (LEAF_KEY, LEAF_KEY_EC), "rsa": (RSA_KEY, RSA_KEY_1), "ed25519": (ED25519_KEY,)}
    for name, pem in (("leaf", LEAF), ("rsa", RSA), ("ed25519", ED25519)):
        for owner, keys in mine.items():
            for key in keys:
                public = certificate.public_half(only(key))
                assert public.differs(read(pem).key) == (owner != name), (name, owner)
    assert certificate.public_half(only(LEAF_KEY)).differs(read(ISSUING).key)


def test_keys_that_do_not_tell_their_public_half_are_left_to_the_tls_library() -> None:
    for label, der in ((b"DSA PRIVATE KEY", b"\x30\0"), (b"EC PRIVATE KEY", b"\x30\x06\x02\x01\x01\x04\x01\x07")):
        public = certificate.public_half(Block(label, der, False))
        assert public.value == b"" and not public.differs(certificate.PublicKey(public.algorithm, b"point"))
    compressed = certificate.PublicKey(certificate.EC, b"\x02" + bytes(32))
    assert not compressed.differs(read(LEAF).key) and not read(LEAF).key.differs(compressed)


def test_rfc9525_6_3_names_are_covered() -> None:
    leaf = read(LEAF)
    for name in (b"turn.example.org", b"TURN.Example.ORG", b"a.example.net", b"*.example.net"):
        assert leaf.covers(name), name
    for name in (b"example.org", b"x.turn.example.org", b"example.net", b"a.b.example.net", b".example.net", b"a", b""):
        assert not leaf.covers(name), name


def test_a_whole_chain_needs_no_remark() -> None:
    told = Told(["turn.example.org", "any.example.net", "192.0.2.1", "2001:db8:0::1"], ["198.51.100.7"])
    for whole in (chain(LEAF, ISSUING), chain(LEAF, ISSUING, ROOT), chain(LEAF, ISSUING, ROOT, RSA)):
        assert whole.remarks(told, BORN) == []
    assert chain(LEAF, ISSUING).remarks(Told([], ["192.0.2.1", "198.51.100.7"]), BORN) == []
    assert chain(LEAF).names() == ["turn.example.org", "*.example.net", "192.0.2.1", "2001:db8::1"]
    assert chain(LEAF).issuer() == "Issuing CA"


def test_what_clients_will_not_like_is_said() -> None:
    end, born, other = (
        read(RSA).not_after,
        "isn't valid before 2026-01-02",
        "turn.example.org, *.example.net, 192.0.2.1",
    )
    rows = (
        (chain(LEAF), NOBODY, BORN, "warning", 'lacks the certificate of its issuer "Issuing CA"'),
        (chain(LEAF, ROOT), NOBODY, BORN, "warning", 'lacks the certificate of its issuer "Issuing CA"'),
        (chain(LEAF, ROOT, ISSUING), NOBODY, BORN, "warning", 'in the wrong order: "Issuing CA" must'),
        (chain(LEAF, ISSUING), NOBODY, BORN + 3000 * DAY, "warning", 'the issuer "Issuing CA", expired on 2031-12-31'),
        (chain(LEAF, ISSUING), NOBODY, BORN - 1, "error", born + ": until then clients refuse it; or this machine's"),
        (
            chain(LEAF, ISSUING),
            Told(["example.org"], []),
            BORN,
            "error",
            "isn't for example.org, which clients are told, but",
        ),
        (chain(LEAF, ISSUING), Told(["192.0.2.9"], []), BORN, "error", "isn't for 192.0.2.9, which"),
        (
            chain(LEAF, ISSUING),
            Told([], ["198.51.100.7"]),
            BORN,
            "info",
            f"is for {other}, 2001:db8::1, not for 198.51",
        ),
        (chain(RSA), NOBODY, BORN, "warning", "is self-signed: browsers refuse it"),
        (chain(RSA), NOBODY, end - NEAR, "warning", "expires on 2049-06-30"),
        (chain(RSA), NOBODY, end, "error", "has expired on 2049-06-30: clients refuse it"),
        (chain(ED25519), NOBODY, BORN, "error", "is for no name: clients look at subjectAltName only"),
    )
    for judged, told, now, level, words in rows:
        found = [row for row in judged.remarks(told, now) if words in row[1]]
        assert [row[0] for row in found] == [level], (words, judged.remarks(told, now))
        assert found[0][1].startswith("a.crt: ")


def test_the_end_comes_in_stages() -> None:
    end, rsa = read(RSA).not_after, chain(RSA)
    times = (BORN - 1, BORN, end - NEAR - 1, end - NEAR, end - 1, end)
    assert [rsa.stage(now) for now in times] == [-1, 0, 0, 1, 1, 2]
    assert not rsa.validity(end - NEAR - 1) and len(rsa.validity(end - 1)) == 1


def swallow(der: bytes, key: Block) -> None:
    """Read a certificate and a key, and use all that was read."""
    try:
        read = Certificate(der)
        read.covers(b"a.example.org")
        date(read.not_after)
        certificate.common_name(read.subject)
        Chain([read, read], "a.crt").remarks(Told(["a"], ["b"]), BORN)
    except BadCertificate:
        pass
    try:
        certificate.public_half(key)
    except BadCertificate:
        pass


def test_truncated_certificates_and_keys_raise_bad_certificate_and_nothing_else() -> None:
    for pem in (LEAF, RSA, ED25519):
        der = only(pem).der
        for end in range(len(der)):
            assert raises(BadCertificate, Certificate, der[:end]), end
        assert raises(BadCertificate, Certificate, der + b"\0")
    for pem in (LEAF_KEY, LEAF_KEY_EC, RSA_KEY, RSA_KEY_1, ED25519_KEY):
        key = only(pem)
        for end in range(len(key.der)):
            assert raises(BadCertificate, certificate.public_half, Block(key.label, key.der[:end], False)), end


def test_mutated_certificates_and_keys_raise_bad_certificate_and_nothing_else() -> None:
    der = only(LEAF).der
    key = only(LEAF_KEY)
    for at in range(len(der)):
        for value in (0, 1, 0x7F, 0x80, 0x84, 0xFF, der[at] ^ 1, der[at] ^ 0x20):
            changed = Block(
                key.label, key.der[: at % len(key.der)] + bytes([value]) + key.der[at % len(key.der) + 1 :], False
            )
            swallow(der[:at] + bytes([value]) + der[at + 1 :], changed)
