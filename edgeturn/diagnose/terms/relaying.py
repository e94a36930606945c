"""Terms of STUN and TURN: what a relay does, how one is allowed to use it, and what it answers."""

TEXT = """
# stun: session traversal utilities for nat, rfc 8489, binding
A question and an answer: “which address do you see me at?” It takes one packet each way, needs no login, and costs
the server next to nothing. STUN helps where NATs are friendly. No media goes through a STUN server.
See: srflx, turn, nat
Try: `edgeturn probe stun:HOST`

# turn: traversal using relays around nat, relay server, rfc 8656
A server that lends a client an address and passes on what comes and goes there. Both sides reach the server, so it
works where no direct way does. All media goes through it, so it wants bandwidth, and a login, so that it doesn't
serve strangers. Every TURN server is a STUN server, too.
See: relay, allocation, permission, credential, why-turn, bandwidth
Try: `edgeturn check` proves that yours works.

# relay: relay candidate, relayed address, relayed candidate
A candidate with an address on a TURN server. It is tried last, for it costs time and bandwidth, and works almost
always. None of them: the server refused the credential or isn't reached. One, and no pair: the relay's ports are
closed, or it announces a wrong address.
See: turn, allocation, permission, external-address
Try: `edgeturn probe turn:HOST --user NAME`

# allocation: allocate, session
What a client has at the TURN server: a relayed address for ten minutes, which it refreshes. It belongs to the
client's own address and port. A browser takes one for each TURN URI and interface.
See: refresh, 486, 401, 437
Try: `edgeturn sessions` lists them.

# permission: createpermission
The client tells the relay the address of each peer that may send to it. Everything from others is dropped. A
permission lasts five minutes and is renewed. So a relayed address is no open door.
See: allocation, channel, 403, open-relay
Try: `edgeturn sessions --json` shows the peers.

# channel: channelbind, channeldata
A number for a peer, so that each packet needs 4 bytes of header instead of 36 or more. It lasts ten minutes and is
renewed. What goes by channel can be carried inside the kernel.
See: permission, indication, kernel
Try: `edgeturn kernel status`

# indication: send, data, send indication, data indication
A packet for or from a peer inside a STUN message, as clients send it before they have bound a channel.
See: channel, permission

# refresh: lifetime, expiry
What keeps an allocation: ten minutes, renewed before they are over. A call that ends after about ten minutes has a
client that doesn't refresh, or a relay that refuses it, such as for a credential that ran out; after five minutes
it is the permission.
See: allocation, permission, ttl, 438
Try: `edgeturn trace` shows each Refresh and its answer.

# relay-ports: port range, 49152-65535
The UDP ports of relayed addresses, one for each allocation. Firewalls in front of the relay have to let them in,
for the packets of the peers arrive there. Clients only use the server's own port.
See: firewall, allocation, 508
Try: `edgeturn config get relay_ports`

# credential: long-term credential, username, password
User name and password of a TURN server. The password never goes over the wire; requests are signed with a key made
of name, realm and password. Web pages can't keep a secret, so what they are given should run out soon.
See: time-limited, realm, nonce, 401
Try: `edgeturn user add NAME --generate`

# time-limited: shared secret, rest api, ephemeral credential, static-auth-secret, use-auth-secret, hmac
A credential that an application makes by itself for each user: the name is a Unix time, a colon and a name; the
password is an HMAC-SHA1 of it with a secret that application and relay share. After that time it starts nothing
new. Both clocks must be right.
See: credential, ttl, 401
Try: `edgeturn credentials --ttl 3600` mints one.

# ttl: time to live, token lifetime
How long a credential is valid. Hosted services give a day by default. It has to be longer than the longest call,
for it is needed at each refresh, unless the relay goes on with what has begun; and as short as that allows, for
whoever copies it uses your bandwidth.
See: time-limited, refresh, credential
Try: `edgeturn credentials --ttl SECONDS`

# realm: domain
The name of the area that a password is for, which the server says in its first answer. It goes into the key, so
after another realm old keys don't fit. Clients take it as it comes; only programs that store keys instead of
passwords must have the same.
See: credential, 401
Try: `edgeturn config get realm`

# nonce: replay
A word of the server that is valid for some time and has to be in each signed request, so that nobody can send an
overheard one again. When it runs out, the server answers 438 with a new one, and the client repeats its request.
That is normal.
See: 438, realm, 401

# 401: unauthorized, challenge
The first 401 is normal: the client asks without a login, the server answers with realm and nonce. A second 401
means that the credential is refused: wrong secret or password, run out, or a wrong clock.
See: credential, time-limited, realm, nonce
Try: `edgeturn credentials`, then `edgeturn check`

# 403: forbidden, peer policy
The relay doesn't do this for anybody: mostly a peer in a private or otherwise closed network. edgeturn refuses
those unless they are opened by name. For a browser's private host candidates that is right, and the call uses
another pair.
See: permission, open-relay
Try: `edgeturn config add allow_peer NETWORK`

# 437: allocation mismatch
The client asks for an allocation and has one already, or refreshes one that is gone: an allocation of an earlier
program on the same port, or a relay that was restarted.
See: allocation, refresh
Try: `edgeturn sessions`

# 438: stale nonce
The nonce ran out; the client repeats its request with the one in this answer.
See: nonce

# 486: quota, allocation quota reached
One user has as many allocations as one user may. Browsers take several; pages that were reloaded leave some behind
for a few minutes.
See: allocation, 508
Try: `edgeturn config set user_quota NUMBER`

# 508: insufficient capacity, pool
The relay is full: no allocation or no port is left. Its pools have a fixed size, so that nobody can fill the
router's memory.
See: 486, relay-ports
Try: `edgeturn plan` says what larger pools cost; `edgeturn status` shows them.

# 701: icecandidateerror, unreachable
What a browser says (event icecandidateerror) when a server can't be reached: its name isn't resolved, or no answer
comes over UDP, or TCP isn't taken. It is a code of the browser and not of the server. One 701 of many servers is
often harmless.
See: gathering, udp-blocked, firewall
Try: `edgeturn check URI` in the same network

# open-relay: ssrf, abuse
A relay that anybody may use, or that reaches what only its owner should, such as the machines at home. Without
login and rules for peers a TURN server is both. edgeturn closes all special networks and its own by default.
See: 403, permission, credential
Try: `edgeturn config check`

# mobility: mobility ticket, rfc 8016
A client that changes its network keeps its allocation by a ticket. Browsers don't do it; they restart ICE.
See: ice-restart, rebinding

# alternate-server: redirect, 300
A relay may send a client to another one, to share the load.
See: anycast, latency
Try: `edgeturn config get alternate_server`

# anycast: server discovery, rfc 8155
One address that many relays share; the network brings a client to the nearest. So a client can find a relay without
being told its name.
See: alternate-server, latency
Try: `edgeturn discovery show`

# kernel: xdp, ebpf, fast path
Media of bound channels can be forwarded by a program inside the Linux kernel, which takes a fraction of the
processor's time.
See: channel, bandwidth
Try: `edgeturn kernel attach`

"""
