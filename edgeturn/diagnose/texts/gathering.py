"""What the cases of gathering say."""

TEXT = """
# no-server-named
The application names no STUN or TURN server, so each side offers nothing but the addresses of its own network.
- `edgeturn credentials` prints the iceServers of your relay; give them to `new RTCPeerConnection({{iceServers}})` on
  both sides.
- `edgeturn snippet APP` prints the configuration of an application, such as Synapse or Nextcloud Talk.

# relay-policy-without-turn
The application allows relayed candidates only (iceTransportPolicy: relay), and names no TURN server.
- Name a TURN server, or set iceTransportPolicy to all.
- `edgeturn credentials` prints the iceServers of your relay.

# name-unresolvable
The server's name {host} can't be resolved there: no address, no STUN, no TURN.
- `nslookup {host}` on that machine. Correct the name in the application, or the DNS.
- An IP address instead of the name works too, but for TLS.

# udp-blocked
One side's network lets no UDP through to the server, and TCP wasn't tried.
- Name the relay over TCP and TLS, too: `turn:HOST:3478?transport=tcp` and, for networks that let only the web through,
  `turns:HOST:443?transport=tcp`. It needs `edgeturn config add listen_tls 0.0.0.0:443` and a certificate.
- `edgeturn probe {uri}` in that network shows what passes. If all does, the relay may have sent this side to another
  server (300) that is silent, which no browser shows: `edgeturn config get alternate_server`.

# tcp-blocked-too
One side's network lets neither UDP nor TCP through to the server; TLS on port 443, which looks like the web, wasn't
tried.
- Serve TLS on port 443, `edgeturn config add listen_tls 0.0.0.0:443`, and name it: `turns:HOST:443?transport=tcp`.
- Where packets are inspected, TURN on its own port is recognised and dropped; inside TLS on 443 it looks like a web
  site. `edgeturn diagnose --explain dpi` says more.

# tls-blocked-too
One side's network lets neither UDP nor TCP nor TLS through to the server.
- TLS on another port than 443 is often dropped, too: `edgeturn config add listen_tls 0.0.0.0:443`.
- Does that machine trust the certificate? `edgeturn check {uri}` there says so.
- Otherwise only a proxy of that network, or another network, helps.

# wrong-port
The application names port {port}, where this relay doesn't listen; it listens on {ports}.
- Correct the port in the application: `edgeturn credentials` prints the right URIs.
- Or listen there, too: `edgeturn config reference` explains listen and listen_tls.

# server-unreachable
{who} from the server: wrong address or port, the server is down, or a firewall drops {ways}.
+ `edgeturn status` says where it listens, `edgeturn check` whether it works, `edgeturn firewall show` who drops its
  packets.
- `edgeturn check {uri}` from outside says at which step it ends.
- Compare the port ({ports}) with what the relay listens on. Usual are 3478, 5349 and 443.
- {instead}

# connection-refused
The server's side ends the connection over {ways} at once: nothing listens on that port{certificate}.
+ `edgeturn check` tests port and certificate; `edgeturn status` says where it listens.
- `edgeturn check {uri}` on that machine says at which step it ends.
- {then}

# server-silent
The server gave no candidate: it isn't reached, or it refuses the credential. This report of Firefox doesn't say which.
- In about:webrtc select and copy the whole page instead of the report: its log has the server's answers.
- `edgeturn check {uri}` with the application's credential shows both.

# relay-missing
STUN works, and no relayed candidate came of the TURN server that is named: {why}.
- `edgeturn check {uri} --user NAME --password TEXT` with the application's credential says at which step it ends.
- No browser shows whether the server sent it to another one (300): `edgeturn config get alternate_server`. Firefox
  shows refusals only in the log of the whole page of about:webrtc: copy that.
+ `edgeturn diagnose --live` during a call shows what the relay answers, `edgeturn credentials` prints a credential that
  works.

# hosts-hidden
The only addresses are names that end in .local, which hide the real ones; outside of the same network nobody can
resolve them.
- Name a STUN and a TURN server, then the hiding does no harm: `edgeturn credentials` prints iceServers.
- Within one network multicast DNS (UDP 5353) has to pass between the two: it doesn't through guest networks or VLANs.
- A page that may use the microphone or camera shows real addresses.

# only-host-candidates
Only addresses of the own network were gathered: no STUN and no TURN server answered, or the application names none.
- See whether the application is given iceServers at all; `edgeturn credentials` prints some.
- `edgeturn probe turn:HOST:3478` in the same network shows whether UDP and TCP get through, and to which port.

# srflx-on-one-side
Only one side learnt its outside address; the other offers nothing but addresses of its own network.
- Give the same iceServers to both sides; then look there why its STUN server doesn't answer:
  `edgeturn probe stun:HOST:3478`.
- A TURN server on one side is enough for most calls; on both it's enough for all.
"""
