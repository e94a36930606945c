"""Terms of calls: what applications and browsers do, what stands in the way, and what relaying costs."""

TEXT = """
# webrtc: rtcpeerconnection, p2p, peer to peer
Calls and data between browsers, directly where it's possible. The page brings the signalling; the browser does ICE,
encryption and media.
See: ice, signalling, dtls, sfu

# why-turn: how often, percentage, do i need turn, turn needed
How many calls need TURN depends on whose they are: next to none within one network, few between homes with friendly
NATs, many from mobile networks, and nearly all out of companies that let only the web through. Published shares
differ just as much, so count your own: the calls that need it fail without it, and their users don't come back to
say so.
See: turn, symmetric-nat, udp-blocked, bandwidth
Try: `edgeturn status` counts the allocations; a dump says which pair a call used.

# why-calls-fail: connection failed, ice failed, troubleshooting
Mostly one of these: the application names no TURN server; its credential ran out; a network lets no UDP through and
only UDP was named; two symmetric NATs without a relay; the relay's ports are closed or it announces a wrong
address; the signalling lost candidates.
See: no-media, udp-blocked, symmetric-nat, 401, trickle
Try: `edgeturn diagnose FILE` says which.

# iceservers: ice servers, ice server, rtcconfiguration
The list of STUN and TURN servers that an application gives to the browser: urls, username, credential. Both sides
need one; it needn't be the same. Two or three URIs are enough; each one more makes gathering slower.
See: icetransportpolicy, uri, credential
Try: `edgeturn credentials` prints it.

# icetransportpolicy: relay policy, transport policy, relay only
“all” tries every candidate; “relay” uses relayed ones only. The latter hides one's address from the other side, and
is the way to test a TURN server: if it connects then, the relay works.
See: relay, iceservers, privacy

# uri: turn uri, stun uri, turn url, rfc 7065
`stun:HOST:PORT`, `turn:HOST:PORT?transport=udp` or `tcp`, `turns:HOST:PORT?transport=tcp` for TLS. Without a port
3478, with turns 5349. No slashes after the colon. A browser takes turns only with a certificate that it trusts, for
that name.
See: iceservers, turns, turn-tcp
Try: `edgeturn check URI`

# turn-tcp: turn over tcp, transport=tcp
The client reaches the relay by TCP, for networks without UDP. From the relay on it is UDP again. Lost packets hold
up those behind them, so calls are less smooth; it is still better than none.
See: turns, udp-blocked, latency, dpi
Try: `edgeturn probe "turn:HOST?transport=tcp"`

# turns: turn over tls, tls, 443, port 443
TURN inside TLS. On port 443 it passes where only the web does, for it looks like a web site from outside. It wants
a certificate for the relay's name. One port can serve both the relay and a web server.
See: dpi, turn-tcp, uri, proxy
Try: `edgeturn config add listen_tls 0.0.0.0:443`

# dpi: deep packet inspection, inspection, application firewall
A firewall that looks into packets and drops what it doesn't know, or knows and doesn't want, whatever the port:
plain TURN on port 443 is recognised by its first bytes. Inside TLS there is nothing to see but the name. Where the
firewall opens TLS itself, with a certificate of the company, TURN fails there, too.
See: turns, firewall, proxy
Try: `edgeturn probe "turns:HOST:443?transport=tcp"` in that network

# proxy: http proxy, connect
Some networks let nothing out but through a web proxy. Browsers can reach a TURN server over TCP or TLS through it
(CONNECT), mostly to port 443 only.
See: turns, dpi

# udp-blocked: udp, no udp, blocked
Networks that let no UDP out, or only DNS: companies, hotels, guest networks. STUN and TURN over UDP fail there;
TURN over TCP or TLS passes.
See: turn-tcp, turns, firewall, 701
Try: `edgeturn probe turn:HOST`

# signalling: signaling, signaling server, signalling server
The application's own way to carry offer, answer and candidates: a WebSocket, XMPP, Matrix, SIP. WebRTC doesn't have
one. It works over the web, so it works where the call doesn't; and if it loses or changes something, no relay can
help.
See: offer, trickle, fingerprint

# offer: answer, sdp, offer/answer, session description
What each side says of itself: media, codecs, candidates, the keys' fingerprint. One side offers, the other answers.
It doesn't matter to NATs who begins: both sides send checks. But only one may: two offers at once (glare) have to
be settled by the application.
See: signalling, initiate, controlling
Try: `edgeturn diagnose offer.sdp answer.sdp`

# initiate: who may initiate, glare, perfect negotiation, caller
Either side may call. A side behind a strict NAT can be called as well as call, because both send. What matters is
that one relay at least is allocated where NATs are strict; whose it is doesn't matter.
See: offer, relay, permission

# dtls: encryption, srtp, dtls-srtp
The keys of a call are agreed by the two ends over the way that ICE found; media is then SRTP. If ICE is connected
and the call isn't, DTLS failed: a fingerprint that doesn't fit, both sides waiting for the other, or large packets
that get lost.
See: fingerprint, mtu, privacy
Try: `edgeturn diagnose dump.json`

# fingerprint: a=fingerprint, a=setup, setup
A hash of each side's key, in offer and answer, so that nobody in between can put in his own. Whoever changes it on
the way breaks the call. a=setup says who begins: actpass in the offer, active or passive in the answer.
See: dtls, offer

# privacy: can the relay listen, end-to-end, security
A relay sees who sends how much to whom, and nothing of what is said: media is encrypted between the two ends, and
the relay has no key. With iceTransportPolicy relay the ends don't even see each other's address.
See: dtls, icetransportpolicy, open-relay

# latency: delay, region, distance, jitter
A relayed packet goes to the relay and from there on, so the relay's place counts: one between the two ends adds
little, one on another continent adds a long way twice. Hosted services have many regions for that. A relay on one's
own router lies on the way anyway and adds less than a millisecond.
See: relay, bandwidth, anycast
Try: `edgeturn probe --relay-echo turn:HOST` measures it.

# bandwidth: cost, price, who pays, traffic
All media of a relayed call goes in at the relay and out again, so each direction counts twice. Hosted services ask
for it by the gigabyte, from those whose application it is. On one's own line it costs upload: a video call needs
one to three Mbit/s for each direction.
See: turn, latency, why-turn, kernel
Try: `edgeturn sessions` counts the bytes; `edgeturn config reference` has limits for users.

# sfu: media server, mcu, conference
A server that gets each one's media once and gives it to the others. It mostly has a public address; clients behind
strict firewalls still need TURN to reach it. Without one, everybody sends to everybody (mesh), which ends at about
four.
See: ice-lite, turn, bandwidth

# mtu: fragmentation, packet size
The largest packet that passes. TURN adds 4 bytes by channel and 36 or more by indication; tunnels and PPPoE take
some away. Where packets that are too large vanish without a word, sound works and video or DTLS doesn't.
See: channel, dtls, no-media
Try: `edgeturn diagnose call.pcapng` looks for it.

# no-media: one-way audio, black video, connected but no media
ICE is connected and there is nothing to hear or see. If packets go out and none come in, the other side doesn't
send, or the way back lost its permission or channel. If packets come in, it's codec, autoplay or the device: not
the network.
See: consent, permission, mtu, dtls
Try: `edgeturn sessions` shows packets up and down.

# bundle: rtcp-mux, max-bundle
All media of a call over one pair. Without it each medium, and its RTCP, has candidates and allocations of its own,
so the relay's quota is reached sooner.
See: 486, allocation, pair

# data-channel: sctp, datachannel
Data between browsers over the same pair as media. It needs the same ICE, the same relay, and no microphone; so
addresses stay hidden by mDNS.
See: mdns, webrtc

"""
