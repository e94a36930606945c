"""The names of the cases, as `--json` shows them: what each means in a line, and which sharper ones it may be.

Rule 1: one cause has one name wherever it is seen: in a dump, a capture, or live.
Rule 2: a name of its own is right for weaker evidence only; where a sharper case speaks, the weaker one is silent.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Meaning:
    """A row: a name, its meaning, and the names that the evidence for it can't tell apart."""

    name: str
    text: str
    may_be: tuple[str, ...] = ()


_CREDENTIALS = ("wrong-password", "wrong-secret", "wrong-realm", "credential-expired")
_ENDS = ("refresh-missing", "refresh-refused", "nat-rebinding", "relay-restarted", "permission-lapsed",
         "channel-lapsed", "channel-not-bound", "credential-shorter-than-call", "credential-changed")  # fmt: skip

MEANINGS = (
    # Which servers the application names, and whether they answer.
    Meaning("no-server-named", "the application names no STUN or TURN server"),
    Meaning("relay-policy-without-turn", "only relayed candidates are allowed, and no TURN server is named"),
    Meaning("name-unresolvable", "the server's name has no address there"),
    Meaning("wrong-port", "the server doesn't listen on the port that is named"),
    Meaning("way-closed", "something on the way says that it doesn't let packets through to the server"),
    Meaning("udp-blocked", "UDP doesn't reach the server from one network, other ways do or weren't tried"),
    Meaning("tcp-blocked-too", "neither UDP nor TCP reaches the server from one network, and TLS wasn't tried"),
    Meaning("tls-blocked-too", "neither UDP nor TCP nor TLS reaches the server from one network"),
    Meaning("inspected", "a TCP connection is cut at the first bytes of STUN"),
    Meaning("inspected-tls", "a TCP connection is cut at the TLS handshake"),
    Meaning("connection-refused", "the connection ends at once: nothing listens, or the certificate isn't trusted",
            ("wrong-port",)),
    Meaning("server-unreachable", "the server never answers",
            ("wrong-port", "way-closed", "udp-blocked", "tcp-blocked-too", "tls-blocked-too", "rate-limited",
             "name-unresolvable")),
    Meaning("server-silent", "no candidate came of the server, and the report doesn't say why",
            ("server-unreachable", "credential-refused", "no-credentials", *_CREDENTIALS)),
    Meaning("rate-limited", "the relay is silent, for too much came from the client's network"),
    Meaning("nothing-came", "while the relay was watched nothing of the client came"),
    # Credentials and other refusals.
    Meaning("credential-refused", "the server refuses the credential (401), and nothing shows why", _CREDENTIALS),
    Meaning("credential-expired", "the credential's time is over"),
    Meaning("wrong-realm", "the client signs for another realm than the server's"),
    Meaning("wrong-secret", "the time-limited credential was made with another secret than the server's"),
    Meaning("wrong-password", "the server doesn't know the user, or the password is another"),
    Meaning("no-credentials", "the server asks for a user name and password, and the client has none"),
    Meaning("credential-changed", "the client goes on as another user than it began (441)"),
    Meaning("stale-nonce", "the client doesn't take the server's new nonce (438)"),
    Meaning("redirected", "the server sends the client to another server (300), where it gets nothing"),
    Meaning("bad-request", "the server doesn't understand the request (400)"),
    Meaning("forbidden", "the server forbids the client to relay (403)"),
    Meaning("mobility-off", "the client asks for mobility, which is off (405)"),
    Meaning("unknown-attribute", "the client asks for what the server doesn't know (420)"),
    Meaning("allocation-mismatch", "the client's port has an allocation already (437)"),
    Meaning("family-refused", "the relay has no address of the family that is asked for (440, 443)"),
    Meaning("transport-refused", "the client asks to be relayed over TCP, which is off (442)"),
    Meaning("connection-exists", "the client has a TCP connection to that peer already (446)"),
    Meaning("peer-not-reached", "the relay can't connect to the peer over TCP (447)"),
    Meaning("quota", "the user has as many sessions as it may have (486)"),
    Meaning("relay-full", "the server has no room left (508)"),
    Meaning("server-error", "the server failed (500)"),
    Meaning("other-refusal", "the server refuses by an unusual code"),
    Meaning("relay-missing", "STUN works and the TURN server gave no relayed candidate, without a word",
            ("credential-refused", "server-unreachable", *_CREDENTIALS)),
    # What was gathered.
    Meaning("only-host-candidates", "nothing but addresses of its own network was gathered"),
    Meaning("hosts-hidden", "nothing but names of mDNS was gathered"),
    Meaning("srflx-on-one-side", "only one side knows its outside address"),
    # What the signalling carries, and who is what.
    Meaning("no-answer", "this side's offer was never answered", ("not-answered",)),
    Meaning("not-answered", "this side never answered the offer that it got"),
    Meaning("both-offer", "both sides made an offer"),
    Meaning("candidates-never-added", "the signalling loses candidates"),
    Meaning("no-candidates-given", "the other side's candidates never came: lost, or there are none",
            ("candidates-never-added",)),
    Meaning("candidates-refused", "the browser refused candidates that it was given"),
    Meaning("only-described", "candidates follow the description, and weren't shown"),
    Meaning("no-candidates-in-sdp", "the description has no candidates, and none will follow"),
    Meaning("both-lite", "both sides are ice-lite"),
    Meaning("lite-behind-nat", "a side that is ice-lite has private addresses only"),
    Meaning("setup-doesnt-fit", "both sides have the same part in DTLS"),
    Meaning("same-role", "both sides have the same part in ICE, and that isn't settled"),
    Meaning("media-refused", "the answer refuses a medium"),
    # Pairs.
    Meaning("families-dont-meet", "one side has IPv4 only, the other IPv6 only"),
    Meaning("symmetric-nats", "a NAT gives each destination another port"),
    Meaning("nat-not-passed", "NATs or firewalls let nothing in, and there is no relay"),
    Meaning("one-way", "packets pass in one direction only, and there is no relay"),
    Meaning("no-relay-offered", "there is no relay, and whether the call needs one isn't shown"),
    Meaning("hairpin", "both are behind one NAT, which doesn't send packets back inside"),
    Meaning("relay-announces-private", "the relay hands out a private address"),
    Meaning("wrong-announced-address", "the relay hands out another address than it is reached at"),
    Meaning("other-side-only-private", "the other side offers private addresses only, so a relay here can't reach it"),
    Meaning("other-side-silent", "the other side has a session at the same relay and doesn't answer"),
    Meaning("firewall-behind-relay", "between the relay and the peer packets get lost"),
    Meaning("far-relay-not-passed", "the other side's relayed address doesn't answer, and nothing shows why",
            ("firewall-behind-relay", "wrong-announced-address", "relay-announces-private", "peer-refused")),
    Meaning("peer-refused", "the relay's rules refuse the peer"),
    Meaning("peer-family", "the peer has an address of another family than the relayed one (443)"),
    Meaning("no-permission", "the client sends to a peer without having asked for a permission"),
    Meaning("peer-from-elsewhere", "packets come from an address that the client never permitted"),
    # Encryption, and what ends after a while.
    Meaning("dtls-failed", "ICE found a way, and DTLS failed on it"),
    Meaning("connection-lost", "the call connected and broke, and nothing shows why", _ENDS),
    Meaning("refresh-missing", "the client didn't renew its allocation"),
    Meaning("refresh-refused", "the relay refused to renew the allocation"),
    Meaning("credential-shorter-than-call", "the credential ended during the call"),
    Meaning("nat-rebinding", "the client's address changed during the call"),
    Meaning("relay-restarted", "the relay lost the allocation before its time"),
    Meaning("permission-lapsed", "the client didn't renew a permission"),
    Meaning("channel-lapsed", "the client didn't renew a channel"),
    Meaning("channel-not-bound", "the relay drops a channel that isn't bound, now or ever", ("channel-lapsed",)),
    # Media.
    Meaning("no-media", "ICE connected, and nobody sent anything"),
    Meaning("media-out-only", "this side sends, and nothing comes in"),
    Meaning("media-in-only", "this side gets packets, and sends none"),
    Meaning("mtu", "a link on the way says that packets are too large for it"),
    Meaning("mtu-silent", "large packets vanish without a word"),
    Meaning("fragments-lost", "only the first pieces of large packets arrive"),
)  # fmt: skip

MAY_BE = {each.name: each.may_be for each in MEANINGS}
