"""What the cases of pairing say."""

TEXT = """
# families-dont-meet
One side has only {here} and the other only {there}: no pair can be made of them.
+ `edgeturn config get relay_address`: the relay needs an address of each family.
- A relay with both families joins them. The client has to ask for the other family (RFC 8656 §7.1); browsers do it with
  two TURN URIs, one by an IPv4 and one by an IPv6 address.

# symmetric-nats
A NAT gives each destination another port (symmetric NAT), so the address that STUN found is of no use to the other
side: only a TURN relay connects these two.
- Give both sides a TURN server; one relayed candidate is enough. `edgeturn credentials` prints iceServers.
- `edgeturn probe stun:HOST` in each network says which NAT it is. On a router of your own, full cone NAT avoids it.

# nat-not-passed
Both sides know their outside addresses, and no packet gets from one to the other: a NAT or firewall between them lets
nothing in, and no TURN server is there to help.
- Give both sides a TURN server; one relayed candidate is enough. `edgeturn credentials` prints iceServers.
- `edgeturn probe stun:HOST` in each network says which NAT it is.

# one-way
Packets pass in one direction only: what the other side sends arrives here, and nothing that is sent from here arrives
there. No TURN server is there to help.
- Give both sides a TURN server; one relayed candidate is enough. `edgeturn credentials` prints iceServers.
- Look at the firewall in front of the other side: it drops what comes from {addresses}.

# no-relay-offered
{who}, and there is no relayed candidate: with a symmetric NAT or a strict firewall on either side this fails.
- Give both sides a TURN server; one relayed candidate is enough. `edgeturn credentials` prints iceServers.
- If one is named already: `edgeturn check turn:HOST --user NAME --password TEXT` with its credential says what fails.
- `edgeturn probe stun:HOST` in each network says which NAT it is.

# hairpin
Both sides are behind the same outside address, and that NAT doesn't send packets back inside (hairpin); the direct way
{direct}.
- In one household: let the two networks reach each other (guest network, VLAN, client isolation), or mDNS pass.
- Behind a provider's NAT (CGNAT) only a relay outside of it helps: give both sides a TURN server.
  `edgeturn credentials` prints iceServers.

# relay-announces-private
The relay hands out {address}, an address of a private network, so peers outside can't reach it.
+ `edgeturn config add external_address auto` (or the outside address itself), then `edgeturn reload`.
- Behind another NAT the relay has to announce the outside address, and that NAT has to forward the ports of
  `relay_ports` (UDP) to it. `edgeturn check` tests both.

# wrong-announced-address
The relay announces {address}, but it is reached at {server}: what is sent to the announced address doesn't arrive.
+ `edgeturn config get external_address`. Where {server} is right: `edgeturn config remove external_address {address}`,
  `edgeturn config add external_address {server}`, then `edgeturn reload`.
- A relay with several addresses may be right nevertheless: `edgeturn check` proves the way back.

# other-side-only-private
The other side offers nothing but addresses of its own network, so even the relay here has nobody to send to: there no
STUN and no TURN server was reached.
- Look at the other side: `edgeturn diagnose` with its dump as a second file says why it gathered nothing more.
- Does it get the same iceServers? Does its network let UDP out? If not, name the relay over TCP and TLS, too.

# firewall-behind-relay
The relay was allocated and used, and {what} a firewall between the relay and the peers drops the relay's ports.
+ `edgeturn firewall show` says who drops them, `edgeturn firewall open` opens them.
- The ports of `relay_ports` have to be open for UDP at the relay, and at the router in front of it.
- `edgeturn check` sends packets through the relay and back, and says at which step it ends.
- `edgeturn sessions` during a call shows whether packets go up and none come down.
- Give the other side's dump as a second file: it tells whether that side got this one's candidates, and tried.

# far-relay-not-passed
The other side has a relayed address, and what is sent there isn't answered: the relay's ports are closed, it announces
a wrong address, its rules refuse this side, or this network lets no UDP out.
- At that relay: `edgeturn check`, then `edgeturn firewall show`; the ports of `relay_ports` have to be open for UDP.
- Name a TURN server on this side, too, best over UDP, TCP and TLS. `edgeturn credentials` prints iceServers.
- Give the other side's dump as a second file; it tells which of these it is.

# peer-refused
The relay refuses to send to any address that the other side offers, by its rules for peers.
+ `edgeturn config add allow_peer {peer}`, then `edgeturn reload`, if it is meant to reach that address;
  `edgeturn trace` shows the rule that refuses.
- A relay refuses private addresses, its own network and what deny_peer names. Let the other side use a relay, too.

# connection-lost
The call connected, and {seconds} later its way broke; no other way was found.
- A network that changed, such as from WLAN to mobile or by a new address, needs an ICE restart: the application calls
  `restartIce()` and sends another offer.
- Does it break after the same time again? After 5 or 10 minutes a permission, a channel or an allocation wasn't
  renewed. `edgeturn diagnose --live` or a capture during such a call says which.
+ `edgeturn status` shows whether it was restarted meanwhile, `edgeturn trace` what is renewed and refused.

# dtls-failed
ICE found a way, but the encryption on it (DTLS) didn't begin: {why}.
- The relay isn't the cause. Compare a=fingerprint and a=setup in what one side sends and the other gets; nobody may
  change them.
- A session border controller or an SFU between them has to put in its own fingerprint.
- Where only large packets fail, lower the MTU, or see whether ICMP is dropped.
"""
