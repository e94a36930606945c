"""The texts of UPnP-IGD: finding the gateway (SSDP), its services (description), and calls to them (SOAP over HTTP).

Source: UPnP Device Architecture 1.1, WANIPConnection:1 and :2, WANPPPConnection:1.

Rule 1: XML is scanned for a tag and what it holds, up to the next `<`; nothing is expanded, nothing nests.
Rule 2: whatever names a host must name the gateway by its IP address; everything else is passed over.
Rule 3: HTTP/1.0, so that an answer ends with its connection.
"""

from edgeturn.protocol import address
from edgeturn.protocol.mapping.gateway import BUSY, FORBIDDEN, GRANTED, TCP, UDP, UNSUPPORTED, Answer, Wish

TYPE_CHECKING = False
if TYPE_CHECKING:
    Place = tuple[int, bytes]  # port and path on the gateway

MULTICAST = address.parse("239.255.255.250:1900")
SSDP_PORT = 1900
LARGEST = 65536  # bytes of an answer; descriptions have some 5 KB
_HTTP_PORT = 80
_TARGETS = ("urn:schemas-upnp-org:device:InternetGatewayDevice:1", "upnp:rootdevice")
_SERVICES = (b"WANIPConnection:", b"WANPPPConnection:")
_MOST_SERVICES = 4
_PROTOCOLS = {UDP: "UDP", TCP: "TCP"}

# Errors of the services; what isn't here may pass: BUSY.
NO_SUCH_ENTRY, CONFLICT, ONLY_PERMANENT = 714, 718, 725
_MEANINGS = {401: UNSUPPORTED, 501: BUSY, 606: FORBIDDEN}


def searches() -> "list[bytes]":
    """Return the datagrams that ask for a gateway."""
    return [
        (
            "M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\n"
            f'MAN: "ssdp:discover"\r\nMX: 1\r\nST: {target}\r\n\r\n'
        ).encode()
        for target in _TARGETS
    ]


def location(datagram: bytes, gateway: bytes) -> "Place | None":
    """Return where a search's answer says that the description is, None where that isn't on the gateway."""
    head, _, headers = datagram.partition(b"\r\n")
    if b" 200" not in head:
        return None
    return _on_gateway(_header(headers, b"location"), gateway)


def _header(headers: bytes, name: bytes) -> bytes:
    """Return the value of a header, whose name is given in lower case; b"" where it isn't there."""
    for line in headers.split(b"\r\n"):
        found, _, value = line.partition(b":")
        if found.strip().lower() == name:
            return value.strip()
    return b""


def _on_gateway(url: bytes, gateway: bytes) -> "Place | None":
    """Return port and path of a URL on the gateway, None for every other."""
    if url[:7].lower() != b"http://":
        return None
    host, slash, path = url[7:].partition(b"/")
    try:
        place = address.parse(host.decode(), _HTTP_PORT)
    except ValueError:  # a name, or no text at all
        return None
    return (address.port_of(place), _path(slash + path)) if address.ip_of(place) == gateway else None


def _path(path: bytes) -> bytes:
    """Return a path that is safe in a request line; control characters and spaces end it."""
    for at, byte in enumerate(path):
        if byte <= 0x20 or byte >= 0x7F:
            path = path[:at]
            break
    return path or b"/"


def services(description: bytes, base: "Place", gateway: bytes) -> "list[tuple[bytes, Place]]":
    """Return type and control place of each service in a description that maps ports."""
    found: list[tuple[bytes, Place]] = []
    for part in description.split(b"<service>")[1:]:
        part = part.partition(b"</service>")[0]
        kind, control = value(part, b"serviceType"), value(part, b"controlURL")
        if not any(name in kind for name in _SERVICES) or _path(kind) != kind or not control:
            continue
        place = _on_gateway(control, gateway)
        if place is None and b"://" not in control:
            place = base[0], _path(control if control[:1] == b"/" else b"/" + control)
        if place is not None and len(found) < _MOST_SERVICES:
            found.append((kind, place))
    return found


def value(text: bytes, tag: bytes) -> bytes:
    """Return what the first tag of a name holds, without white space; b"" where there's none."""
    at = text.find(b"<" + tag + b">")
    if at < 0:
        return b""
    at += len(tag) + 2
    end = text.find(b"<", at)
    return text[at:end].strip() if end >= 0 else b""


def encode_get(gateway: bytes, place: "Place") -> bytes:
    """Return the HTTP request for a description."""
    return b"GET " + place[1] + b" HTTP/1.0\r\nHost: " + _host(gateway, place) + b"\r\nConnection: close\r\n\r\n"


def _host(gateway: bytes, place: "Place") -> bytes:
    return address.format(address.join(gateway, place[0])).encode()


def _encode_call(gateway: bytes, service: "tuple[bytes, Place]", action: bytes, arguments: str) -> bytes:
    kind, place = service
    body = (
        b'<?xml version="1.0"?>\r\n<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"'
        b' s:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/"><s:Body>'
        b"<u:" + action + b' xmlns:u="' + kind + b'">' + arguments.encode() + b"</u:" + action + b">"
        b"</s:Body></s:Envelope>\r\n"
    )
    head = (
        b"POST " + place[1] + b" HTTP/1.0\r\nHost: " + _host(gateway, place) + b"\r\nConnection: close\r\n"
        b'Content-Type: text/xml; charset="utf-8"\r\nSOAPAction: "' + kind + b"#" + action + b'"\r\n'
        b"Content-Length: " + str(len(body)).encode() + b"\r\n\r\n"
    )
    return head + body


def encode_address(gateway: bytes, service: "tuple[bytes, Place]") -> bytes:
    """Return the call for the external address."""
    return _encode_call(gateway, service, b"GetExternalIPAddress", "")


def encode_map(gateway: bytes, service: "tuple[bytes, Place]", own: bytes, wish: Wish, lifetime: int) -> bytes:
    """Return the call for a mapping to an address of ours; lifetime: seconds, 0 for ever."""
    arguments = (
        f"<NewRemoteHost></NewRemoteHost><NewExternalPort>{wish.external}</NewExternalPort>"
        f"<NewProtocol>{_PROTOCOLS[wish.protocol]}</NewProtocol><NewInternalPort>{wish.port}</NewInternalPort>"
        f"<NewInternalClient>{address.format_ip(own)}</NewInternalClient><NewEnabled>1</NewEnabled>"
        "<NewPortMappingDescription>edgeturn</NewPortMappingDescription>"
        f"<NewLeaseDuration>{lifetime}</NewLeaseDuration>"
    )
    return _encode_call(gateway, service, b"AddPortMapping", arguments)


def encode_unmap(gateway: bytes, service: "tuple[bytes, Place]", wish: Wish) -> bytes:
    """Return the call that withdraws a mapping, known by its external port."""
    arguments = (
        f"<NewRemoteHost></NewRemoteHost><NewExternalPort>{wish.external}</NewExternalPort>"
        f"<NewProtocol>{_PROTOCOLS[wish.protocol]}</NewProtocol>"
    )
    return _encode_call(gateway, service, b"DeletePortMapping", arguments)


def encode_look(gateway: bytes, service: "tuple[bytes, Place]", wish: Wish) -> bytes:
    """Return the call that asks for a mapping that should be there."""
    arguments = (
        f"<NewRemoteHost></NewRemoteHost><NewExternalPort>{wish.external}</NewExternalPort>"
        f"<NewProtocol>{_PROTOCOLS[wish.protocol]}</NewProtocol>"
    )
    return _encode_call(gateway, service, b"GetSpecificPortMappingEntry", arguments)


def split(response: bytes) -> "tuple[int, bytes] | None":
    """Return status and body of an HTTP response that is whole as far as its head; None where it isn't."""
    head, gap, body = response.partition(b"\r\n\r\n")
    words = head.partition(b"\r\n")[0].split(b" ")
    if not gap or words[0][:5] != b"HTTP/" or len(words) < 2 or not words[1].isdigit() or len(words[1]) != 3:
        return None
    return int(words[1]), body


def is_whole(response: bytes) -> bool:
    """Say whether a response has all the bytes that its head speaks of; one that speaks of none ends by closing."""
    head, gap, body = response.partition(b"\r\n\r\n")
    size = _header(head, b"content-length")
    return bool(gap) and size.isdigit() and len(size) < 7 and len(body) >= int(size)


def decode(response: bytes) -> "Answer | None":
    """Return what a call was answered; None where that isn't one."""
    parts = split(response)
    if parts is None:
        return None
    status, body = parts
    if status == 200:
        answer = Answer(GRANTED, 0, -1)
        answer.ip = _ip(value(body, b"NewExternalIPAddress"))
        return answer
    code = value(body, b"errorCode")
    number = int(code) if code.isdigit() and len(code) < 5 else status
    return Answer(_MEANINGS.get(number, BUSY), number, -1)


def _ip(text: bytes) -> bytes:
    """Return an IPv4 address, b"" where a text is none."""
    try:
        ip = address.parse_ip(text.decode())
    except ValueError:
        return b""
    return ip if len(ip) == address.IPV4_SIZE else b""
