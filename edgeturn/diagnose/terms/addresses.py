"""Terms of addresses: NATs, candidates, and how two machines find a way to each other."""

TEXT = """
# nat: network address translation, router
A router that lets many machines share one public address: it puts its own address and a port of its choice into
each packet that leaves, and remembers whose it was. What comes unasked has no owner and is dropped. So two machines
behind two NATs can't simply call each other: neither knows its outside address, and neither lets the other's first
packet in.
See: symmetric-nat, full-cone, cgnat, hairpin, ice
Try: `edgeturn probe stun:HOST` tells what kind of NAT you are behind.

# symmetric-nat: address-dependent mapping, address and port dependent mapping, hard nat
A NAT that takes a new outside port for each destination. The address that a STUN server sees is then valid for the
STUN server only, so telling it to the other side is of no use. One such NAT can often be got through, if the other
one is friendly; two can't. Mobile networks, companies and some routers have them. A TURN relay is the remedy.
See: nat, full-cone, prflx, turn, cgnat
Try: `edgeturn probe stun:HOST`

# full-cone: endpoint-independent mapping, cone nat, easy nat, filtering
A NAT with two friendly habits: it keeps one outside port for one inside port whatever the destination (mapping),
and it may also let in what comes from strangers (filtering). With friendly mapping alone, both sides send at the
same time, and each one's packet opens its NAT for the other's: that is how most direct calls are made. RFC 4787
asks it of every NAT.
See: symmetric-nat, nat, check
Try: `edgeturn probe stun:HOST`

# cgnat: carrier-grade nat, carrier nat, double nat, ds-lite, 100.64.0.0/10
A second NAT, at the provider: your router itself has no public address, often one of 100.64.0.0/10. Port forwarding
on the router doesn't help then. A relay behind it can't be reached from outside over IPv4; IPv6, a port mapping by
the provider (PCP), or a relay on a rented machine does it.
See: nat, hairpin, external-address
Try: `edgeturn check` says so when the relay is behind another NAT.

# hairpin: hairpinning, nat loopback, nat reflection
Two machines of one network that use the outside address of their own router: the packet would have to turn round at
the NAT. Many routers don't do it. Calls within one house then need host candidates that both can reach, or a relay.
Two clients of one edgeturn reach each other inside it, whatever the router does.
See: nat, host, mdns, cgnat

# firewall: packet filter, port forwarding
What drops packets by rule. For calls three kinds matter: one that drops what comes unasked (every router; ICE lives
with it), one that drops all UDP (TURN over TCP helps), and one that lets only the web through (TURN over TLS on
port 443 helps). In front of a relay its own port and the relay ports (UDP) have to be open.
See: udp-blocked, dpi, turns, relay-ports
Try: `edgeturn firewall show` lists who drops the relay's packets here.

# external-address: announced address, external ip, 1:1 nat
The address that the relay puts into relayed candidates. Behind another NAT it isn't the one of its interface: it
has to be named, or asked of a STUN server. If it is wrong, clients allocate happily, and no packet of the other
side ever arrives.
See: relay, cgnat, relay-ports
Try: `edgeturn config set external_address auto`

# ipv6: dual stack, address family, ipv4
With IPv6 there is mostly no NAT, and a firewall instead; ICE gets through that as through a friendly NAT.
Candidates of one family can't be paired with those of the other. A relay with both families joins a side that has
only IPv4 and one that has only IPv6.
See: candidate, pair, turn
Try: `edgeturn check` tests both families.

# ice: interactive connectivity establishment, rfc 8445
How two sides find a way: each gathers all the addresses that it might be reached at (candidates), sends them over
by the application's own signalling, and then both try all combinations (pairs) with small requests until answers
come. The best pair that works is used. ICE doesn't get through anything by itself: it tries what is offered. STUN
and TURN servers make more to be offered.
See: candidate, pair, check, stun, turn, signalling
Try: `edgeturn diagnose dump.json`

# candidate: ice candidate, candidates, a=candidate
One address at which a side may be reached: host (of its own interface), srflx (what a STUN server saw), prflx (what
the other side saw during the checks), relay (on a TURN server). A line has number, component, transport, priority,
address, port and kind.
See: host, srflx, prflx, relay, pair, trickle
Try: `edgeturn probe turn:HOST` prints yours.

# host: host candidate
A candidate with an address of the machine's own interface. It works inside the same network, or if the address is
public. If there are only host candidates, no STUN or TURN server answered, or the application named none.
See: candidate, mdns, srflx

# srflx: server reflexive, server-reflexive candidate, reflexive address
A candidate with the address that a STUN server saw, so the outside of the NAT. It is how most calls get through
without a relay. None of them means that UDP to the STUN server doesn't work, or that there is no NAT and it equals
the host candidate.
See: stun, nat, symmetric-nat, candidate
Try: `edgeturn probe stun:HOST`

# prflx: peer reflexive, peer-reflexive candidate
A candidate that nobody named: a check came from an address that wasn't in the other side's list. It is normal. If
it has a known address and another port, the other side's NAT gives each destination another port.
See: symmetric-nat, check, candidate

# mdns: mdns candidate, .local, hidden host, multicast dns
Browsers hide the addresses of your own network behind random names that end in .local, which only machines in the
same network can resolve, by multicast (UDP 5353). Outside they are worthless. It does no harm as long as there are
srflx or relay candidates. Pages that were allowed the microphone or camera show real addresses.
See: host, candidate, hairpin

# pair: candidate pair
One candidate of this side with one of the other side: a way to try. States: frozen and waiting (not yet),
in-progress (asked), succeeded, failed. A call fails when no pair succeeds.
See: check, nomination, candidate
Try: `edgeturn diagnose dump.json` counts the checks of the pairs.

# check: connectivity check, binding request
A STUN Binding request from one side to the other over a pair, with a password that was in the offer or answer. An
answer proves that packets pass both ways. The checks themselves open NATs and firewalls for what comes back; that
is why both sides have to send.
See: pair, stun, nat, consent

# nomination: nominated, selected pair
The controlling side chooses one of the pairs that work, and says so. Media uses that one from then on.
See: controlling, pair

# controlling: controlled, ice role, role conflict
Who may nominate: the side that made the offer is controlling, the other one controlled. If both believe the same,
the first check that arrives settles it. It has nothing to do with who may call whom.
See: nomination, offer, ice-lite

# ice-lite: lite, a=ice-lite
A side that only answers checks and sends none, which is enough for a server on a public address, such as an SFU.
Behind a NAT it fails unless the server announces its outside address; and two such sides wait for each other for
ever.
See: controlling, sfu, check

# ice-restart: restart, network change
Gathering and checking anew in a call that goes on, when the network changed, such as from WLAN to mobile. The
application has to begin it (`restartIce`) and send another offer. Without it such a call ends after some seconds.
See: ice, mobility, consent

# consent: consent freshness, keepalive, rfc 7675
During a call both sides go on to send checks, every few seconds. If no answer comes for 30 seconds, a side must
stop sending. It also keeps NATs open. Seen from outside, this is how a call ends whose way broke.
See: check, rebinding, ice-restart

# rebinding: nat rebinding, nat timeout
A NAT forgets a flow that is quiet, some after 30 seconds, or when it restarts, and gives the next packet another
outside port. The other side then sends to nowhere. ICE's checks mostly hide it; a TURN client loses its allocation,
for that is bound to its address.
See: nat, consent, mobility, refresh

# trickle: trickle ice, onicecandidate, addicecandidate
Sending candidates one by one as they are found, instead of waiting for all. Calls begin sooner, but the
application's signalling has to carry each of them to the other side and add it there. If they get lost, both sides
have addresses and no pair is ever tried.
See: signalling, end-of-candidates, gathering
Try: `edgeturn diagnose alice.json bob.json` compares what was sent with what came.

# end-of-candidates: gathering complete
The word that no candidate follows. Without it the other side can't know that it has tried everything, and waits
before it gives up.
See: trickle, gathering

# gathering: icegatheringstate, gather
Asking the interfaces, and each STUN and TURN server over each of them, for candidates. It is complete when all
answered or timed out; a server that doesn't answer makes it last about ten seconds, and up to forty in some
browsers. Name few servers.
See: candidate, trickle, 701
Try: `edgeturn probe URI` shows how long each takes.

"""
