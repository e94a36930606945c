"""The codecs towards the NAT in front: PCP (RFC 6887), NAT-PMP (RFC 6886), UPnP-IGD, DNS; and the judgement of it all.

Each decoder gets whole, truncated and changed input; what it makes of it may be None, and is never an error.
"""

from struct import pack

from edgeturn.protocol.address import parse, parse_ip
from edgeturn.protocol.mapping import dns, nat_pmp, pcp, upnp
from edgeturn.protocol.mapping.gateway import (
    BUSY,
    FORBIDDEN,
    GRANTED,
    TCP,
    UDP,
    UNSUPPORTED,
    Epoch,
    Wish,
    announced_epoch,
)
from edgeturn.protocol.mapping.judgement import Evidence, is_host, is_private, judge

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

OWN, GATEWAY, OUTSIDE = parse_ip("192.168.1.2"), parse_ip("192.168.1.1"), parse_ip("203.0.113.9")
NONCE = b"twelve bytes"
MAPPED = bytes(10) + b"\xff\xff"


def wish(protocol: int = UDP) -> Wish:
    return Wish(protocol, 50000, NONCE)


def survives(decode: "Callable[[bytes], object]", data: bytes) -> None:
    """See that a decoder makes something or nothing of each beginning of a datagram, and of each changed byte."""
    for size in range(len(data)):
        decode(data[:size])
    for at in range(len(data)):
        for flip in (1, 0x80, 0xFF):
            decode(data[:at] + bytes([data[at] ^ flip]) + data[at + 1 :])
    decode(data + bytes(2000))


# PCP.


def pcp_answer(code: int = 0, lifetime: int = 1800, epoch: int = 77) -> bytes:
    head = pack("!BBBBII", 2, 0x81, 0, code, lifetime, epoch) + bytes(12)
    return head + NONCE + pack("!B3sHH", UDP, bytes(3), 50000, 50001) + MAPPED + OUTSIDE


def test_rfc6887_11_1_map_request() -> None:
    head = b"\x02\x01\0\0" + pack("!I", 1800) + MAPPED + OWN
    body = NONCE + b"\x11\0\0\0" + pack("!HH", 50000, 50000) + MAPPED + bytes(4)
    assert pcp.encode_map(OWN, wish(), 1800) == head + body
    assert len(head) == 24 and len(body) == 36


def test_rfc6887_15_a_lifetime_of_0_suggests_nothing() -> None:
    asked = wish(TCP)
    asked.external, asked.ip = 50001, OUTSIDE
    request = pcp.encode_map(OWN, asked, 0)
    assert request[4:8] == bytes(4) and request[36] == TCP
    assert request[40:44] == pack("!HH", 50000, 0) and request[44:] == MAPPED + bytes(4)


def test_rfc6887_11_1_map_answer() -> None:
    answer = pcp.decode(pcp_answer())
    assert answer is not None and answer.is_for(wish())
    assert (answer.meaning, answer.external, answer.ip) == (GRANTED, 50001, OUTSIDE)
    assert (answer.lifetime, answer.epoch) == (1800, 77)


def test_rfc6887_an_answer_for_another_is_none_of_ours() -> None:
    answer = pcp.decode(pcp_answer())
    assert answer is not None
    other_port, other_nonce = Wish(UDP, 50002, NONCE), Wish(UDP, 50000, b"other bytes!")
    for other in (other_port, other_nonce, wish(TCP)):
        assert not answer.is_for(other)


def test_rfc6887_7_4_result_codes() -> None:
    for code, meaning in ((1, UNSUPPORTED), (2, FORBIDDEN), (7, BUSY), (8, BUSY), (11, BUSY), (12, UNSUPPORTED)):
        answer = pcp.decode(pcp_answer(code))
        assert answer is not None and (answer.meaning, answer.code) == (meaning, code)


def test_rfc6887_9_a_gateway_that_speaks_nat_pmp_only() -> None:
    answer = pcp.decode(b"\0\x81\0\x01\0\0\0\x05")
    assert answer is not None and answer.meaning == UNSUPPORTED


def test_pcp_requests_and_fragments_are_no_answers() -> None:
    assert pcp.decode(pcp.encode_map(OWN, wish(), 1800)) is None
    assert pcp.decode(pcp_answer()[:59]) is None
    survives(pcp.decode, pcp_answer())


# NAT-PMP.


def test_rfc6886_3_2_external_address() -> None:
    assert nat_pmp.encode_address() == b"\0\0"
    answer = nat_pmp.decode(b"\0\x80\0\0" + pack("!I", 77) + OUTSIDE)
    assert answer is not None and (answer.meaning, answer.ip, answer.epoch) == (GRANTED, OUTSIDE, 77)
    assert answer.protocol == 0


def test_rfc6886_3_3_mapping() -> None:
    assert nat_pmp.encode_map(OWN, wish(), 1800) == pack("!BBHHHI", 0, 1, 0, 50000, 50000, 1800)
    assert nat_pmp.encode_map(OWN, wish(TCP), 0) == pack("!BBHHHI", 0, 2, 0, 50000, 0, 0)
    answer = nat_pmp.decode(b"\0\x81\0\0" + pack("!IHHI", 77, 50000, 50001, 1800))
    assert answer is not None and answer.is_for(wish()) and not answer.is_for(wish(TCP))
    assert (answer.external, answer.lifetime) == (50001, 1800)


def test_rfc6886_3_5_result_codes() -> None:
    for code, meaning in ((1, UNSUPPORTED), (2, FORBIDDEN), (3, BUSY), (4, BUSY), (5, UNSUPPORTED)):
        answer = nat_pmp.decode(b"\0\x80" + pack("!HI", code, 77))
        assert answer is not None and (answer.meaning, answer.code) == (meaning, code)


def test_nat_pmp_requests_and_fragments_are_no_answers() -> None:
    assert nat_pmp.decode(b"\0\0") is None
    assert nat_pmp.decode(b"\0\x81\0\0" + pack("!IHH", 77, 50000, 50001)) is None
    assert nat_pmp.decode(b"\x02\x81\0\0" + pack("!IHHI", 77, 50000, 50001, 1800)) is None
    survives(nat_pmp.decode, b"\0\x81\0\0" + pack("!IHHI", 77, 50000, 50001, 1800))


def test_rfc6887_8_5_a_gateway_that_begins_anew() -> None:
    rows = (
        ("as expected", 100, 130, 60, False),
        ("a second late", 100, 129, 60, False),
        ("one 16th slower", 1000, 1935, 60 + 968, False),
        ("begins anew", 100, 3, 60, True),
        ("stands still", 100, 100, 60, True),
        ("jumps ahead", 100, 400, 60, True),
        ("says nothing", 100, -1, 60, False),
    )
    for what, first, second, at, lost in rows:
        epoch = Epoch()
        assert not epoch.is_lost(first, 30), what
        assert epoch.is_lost(second, at) == lost, what


def test_announcements_of_a_gateway_that_begins() -> None:
    assert announced_epoch(b"\0\x80\0\0" + pack("!I", 7) + OUTSIDE) == 7
    assert announced_epoch(b"\x02\x80\0\0" + pack("!II", 0, 7) + bytes(12)) == 7
    for other in (b"", b"\0\x80\0\0" + bytes(7), b"\x02\x80\0\0" + bytes(19), pcp_answer(), bytes(12)):
        assert announced_epoch(other) == -1
    survives(announced_epoch, b"\x02\x80\0\0" + pack("!II", 0, 7) + bytes(12))


# UPnP-IGD.

DESCRIPTION = b"""<?xml version="1.0"?><root><device><serviceList><service>
<serviceType>urn:schemas-upnp-org:service:Layer3Forwarding:1</serviceType><controlURL>/L3F</controlURL></service>
<service><serviceType>urn:schemas-upnp-org:service:WANIPConnection:1</serviceType>
<serviceId>x</serviceId><controlURL> /ctl/IPConn </controlURL></service>
<service><serviceType>urn:schemas-upnp-org:service:WANPPPConnection:1</serviceType>
<controlURL>http://192.168.1.1:99/ppp</controlURL></service>
<service><serviceType>urn:schemas-upnp-org:service:WANIPConnection:2</serviceType>
<controlURL>http://203.0.113.1/evil</controlURL></service></serviceList></device></root>"""
SERVICE = (b"urn:schemas-upnp-org:service:WANIPConnection:1", (5000, b"/ctl/IPConn"))


def found(where: str) -> bytes:
    return b"HTTP/1.1 200 OK\r\nST: x\r\nLocation: " + where.encode() + b"\r\nEXT:\r\n\r\n"


def test_upnp_location_has_to_be_on_the_gateway() -> None:
    rows = (
        ("http://192.168.1.1:5000/rootDesc.xml", (5000, b"/rootDesc.xml")),
        ("HTTP://192.168.1.1", (80, b"/")),
        ("http://192.168.1.1:5000/a b", (5000, b"/a")),
        ("http://192.168.1.9:5000/rootDesc.xml", None),
        ("http://router.lan:5000/rootDesc.xml", None),
        ("http://user@192.168.1.1:5000/", None),
        ("https://192.168.1.1:5000/", None),
        ("http://192.168.1.1:99999/", None),
    )
    for where, place in rows:
        assert upnp.location(found(where), GATEWAY) == place, where
    assert upnp.location(b"NOTIFY * HTTP/1.1\r\nLocation: http://192.168.1.1/\r\n\r\n", GATEWAY) is None
    survives(lambda data: upnp.location(data, GATEWAY), found("http://192.168.1.1:5000/x"))


def test_upnp_services_that_map_ports_on_the_gateway() -> None:
    services = upnp.services(DESCRIPTION, (5000, b"/rootDesc.xml"), GATEWAY)
    assert services == [SERVICE, (b"urn:schemas-upnp-org:service:WANPPPConnection:1", (99, b"/ppp"))]
    survives(lambda data: upnp.services(data, (5000, b"/"), GATEWAY), DESCRIPTION[:700])


def test_upnp_a_description_is_no_bomb() -> None:
    bomb = b'<!DOCTYPE a [<!ENTITY b "&c;&c;">]>' + b"<service>" * 5000 + b"<controlURL>&b;</controlURL>"
    assert upnp.services(bomb, (5000, b"/"), GATEWAY) == []
    many = DESCRIPTION * 50
    assert len(upnp.services(many, (5000, b"/"), GATEWAY)) == 4


def test_upnp_calls() -> None:
    asked = wish()
    asked.external = 50001
    head, _, body = upnp.encode_map(GATEWAY, SERVICE, OWN, asked, 1800).partition(b"\r\n\r\n")
    assert head.startswith(b"POST /ctl/IPConn HTTP/1.0\r\nHost: 192.168.1.1:5000\r\n")
    assert b'SOAPAction: "urn:schemas-upnp-org:service:WANIPConnection:1#AddPortMapping"' in head
    assert f"Content-Length: {len(body)}".encode() in head
    rows = (
        (b"NewExternalPort", b"50001"),
        (b"NewInternalPort", b"50000"),
        (b"NewProtocol", b"UDP"),
        (b"NewInternalClient", b"192.168.1.2"),
        (b"NewLeaseDuration", b"1800"),
    )
    for tag, value in rows:
        assert upnp.value(body, tag) == value
    assert upnp.value(upnp.encode_unmap(GATEWAY, SERVICE, asked), b"NewExternalPort") == b"50001"


def response(status: str, body: bytes) -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


def test_upnp_answers() -> None:
    address = b"<s:Body><NewExternalIPAddress>203.0.113.9</NewExternalIPAddress></s:Body>"
    answer = upnp.decode(response("200 OK", address))
    assert answer is not None and (answer.meaning, answer.ip) == (GRANTED, OUTSIDE)
    rows = (("718", BUSY), ("725", BUSY), ("606", FORBIDDEN), ("501", BUSY), ("x", BUSY), ("99999999", BUSY))
    for code, meaning in rows:
        body = b"<errorCode>" + code.encode() + b"</errorCode>"
        answer = upnp.decode(response("500 Internal Server Error", body))
        assert answer is not None and answer.meaning == meaning, code
    for text in (b"", b"300.1.1.1", b"::1", b"\xff\xfe"):
        answer = upnp.decode(response("200 OK", b"<NewExternalIPAddress>" + text + b"</NewExternalIPAddress>"))
        assert answer is not None and answer.ip == b""
    survives(upnp.decode, response("200 OK", address))


def test_upnp_a_response_is_whole_by_its_length() -> None:
    whole = response("200 OK", b"0123456789")
    assert upnp.is_whole(whole)
    for size in range(len(whole)):
        assert not upnp.is_whole(whole[:size])
    assert not upnp.is_whole(b"HTTP/1.1 200 OK\r\n\r\nwithout a length")


# DNS.


def dns_answer(question: bytes, *records: bytes) -> bytes:
    return question[:2] + b"\x81\x80\0\x01" + pack("!HHH", len(records), 0, 0) + question[12:] + b"".join(records)


def test_rfc1035_4_question_and_answer() -> None:
    question = dns.encode(0x1234, "stun.example.org", 4)
    assert question == b"\x12\x34\x01\0\0\x01" + bytes(6) + b"\x04stun\x07example\x03org\0\0\x01\0\x01"
    alias = b"\xc0\x0c\0\x05\0\x01\0\0\0\x3c\0\x06\x03one\xc0\x11"
    record = b"\xc0\x2e\0\x01\0\x01\0\0\0\x3c\0\x04" + OUTSIDE
    assert dns.decode(dns_answer(question, alias, record), question, 4) == [OUTSIDE]
    assert dns.decode(dns_answer(question), question, 4) == []
    assert dns.decode(dns_answer(dns.encode(0x1235, "stun.example.org", 4), record), question, 4) is None
    assert dns.decode(dns_answer(dns.encode(0x1234, "evil.example.org", 4), record), question, 4) is None
    assert dns.decode(question, question, 4) is None
    survives(lambda data: dns.decode(data, question, 4), dns_answer(question, alias, record))


def test_host_names() -> None:
    for name in ("stun.example.org", "a", "stun-1.l.google.com", "_x.y"):
        assert dns.is_name(name), name
    for name in ("192.0.2.1", "", "a..b", "a b", "é", "x" * 64, "::1", "stun.example.org."):
        assert not dns.is_name(name), name


# Judgement.


def test_private_addresses() -> None:
    for ip in ("10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.0.1", "100.64.0.1", "169.254.1.1", "fd00::1"):
        assert is_private(parse_ip(ip)), ip
    for ip in ("172.32.0.1", "100.128.0.1", "100.63.0.1", "11.0.0.1", "2a00::1", "203.0.113.1"):
        assert not is_private(parse_ip(ip)), ip


def test_what_an_outside_can_not_be() -> None:
    for ip in ("12.0.0.9", "10.1.2.3", "100.64.0.1", "223.255.255.255"):
        assert is_host(parse_ip(ip)), ip
    for ip in ("0.0.0.0", "0.0.0.1", "127.0.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255", "::", "2a00::1"):
        assert not is_host(parse_ip(ip)), ip
    assert not is_host(b"")


def test_what_stands_in_front() -> None:
    rows = (
        # own address, STUN server sees, gateway's external address: what stands in front, announced, word of a problem
        ("11.0.0.1", "", "", "none", "11.0.0.1", ""),
        ("11.0.0.1", "11.0.0.1", "", "none", "11.0.0.1", ""),
        ("11.0.0.1", "12.0.0.1", "", "one-to-one", "12.0.0.1", ""),
        ("2a00::1", "", "", "none", "2a00::1", ""),
        ("127.0.0.1", "", "", "none", "127.0.0.1", ""),
        ("192.168.1.2", "12.0.0.1", "", "one-to-one", "12.0.0.1", ""),
        ("192.168.1.2", "", "12.0.0.1", "port-mapped", "12.0.0.1", ""),
        ("192.168.1.2", "12.0.0.1", "12.0.0.1", "port-mapped", "12.0.0.1", ""),
        ("192.168.1.2", "13.0.0.1", "12.0.0.1", "double", "13.0.0.1", "bridge"),
        ("192.168.1.2", "13.0.0.1", "10.0.0.7", "double", "13.0.0.1", "bridge"),
        ("192.168.1.2", "", "10.0.0.7", "double", "10.0.0.7", "10.0.0.7"),
        ("192.168.1.2", "13.0.0.1", "100.64.0.7", "cgnat", "13.0.0.1", "IPv6"),
        ("192.168.1.2", "", "100.64.0.7", "cgnat", "100.64.0.7", "100.64.0.7"),
        ("100.64.0.7", "13.0.0.1", "", "cgnat", "13.0.0.1", "public IPv4"),
        ("100.64.0.7", "", "", "cgnat", "100.64.0.7", "public IPv4"),
        ("100.64.0.7", "", "13.0.0.1", "port-mapped", "13.0.0.1", ""),
        ("192.168.1.2", "", "", "unknown", "192.168.1.2", "stun_server"),
    )
    for own, seen, outside, nat, announced, word in rows:
        known = Evidence(parse_ip(own))
        known.seen = parse_ip(seen) if seen else b""
        known.outside = parse_ip(outside) if outside else b""
        known.gateway, known.protocol = GATEWAY, "pcp"
        judged = judge(known)
        what = (own, seen, outside)
        assert (judged.nat, judged.announced) == (nat, parse_ip(announced)), what
        assert len(judged.problems) == (1 if word else 0), what
        assert all(word in problem for problem in judged.problems), what


def test_a_nat_that_changes_ports_is_said() -> None:
    known = Evidence(OWN)
    known.seen, known.ports_kept = OUTSIDE, False
    assert "changes ports" in judge(known).problems[0]
    assert parse("192.168.1.2:1")[2:] == OWN
