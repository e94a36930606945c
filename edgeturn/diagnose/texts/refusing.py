"""What a server's refusal means, by the case that its code is."""

TEXT = """
# redirected
The server sends the client to another one (300), and nothing is allocated there.
- Name the other server in the application's iceServers, too, and see that clients reach it: `edgeturn probe URI`.
+ `edgeturn config get alternate_server` says where clients are sent, `edgeturn status` whether this relay is full or
  draining.

# bad-request
The server doesn't understand what the client asks (400): the client is at fault, or something changed its packets.
- Try another client: `edgeturn check turn:HOST --user NAME --password TEXT`.
+ `edgeturn trace` says what is wrong with the request.

# credential-refused
The TURN server refuses the credential (401): wrong secret or password, expired, or made for another realm.
+ `edgeturn credentials` prints one that works; try it in the application's place. Compare the application's secret
  with `edgeturn secret list --show`.
- A user name that begins with a number is valid until that Unix time: compare it with `date +%s`. The relay's clock
  and that of who mints the credential have to be right.
- `edgeturn check {uri} --user NAME --password TEXT` tries a credential.

# forbidden
The server forbids this client to relay anything (403).
+ `edgeturn trace` says by which rule, while the client tries.
- A client inside a tunnel (6to4, Teredo) is refused by edgeturn: let it use its IPv4 address.

# mobility-off
The client asks for mobility, which the server doesn't do (405).
- Switch it off in the client.
+ `edgeturn config set mobility 1` switches it on.

# unknown-attribute
The client wants something that the server doesn't know (420).
- Look for options of the client beyond plain TURN, and switch them off.

# allocation-mismatch
The server says that the client's port has a relayed address already, or that it lost the one it had (437).
- Nothing to do if it happens once: a program was started anew, and the old session ends by itself within ten minutes.
- If it goes on, two clients share a port: a NAT that gives all the same port, or a program with a fixed one. TCP helps:
  `?transport=tcp` in iceServers.
+ `edgeturn sessions` lists them, `edgeturn kick --user NAME` ends one.

# stale-nonce
The client signs with an old nonce again and again and doesn't take the new one that it is sent (438).
- Update the client: it has to repeat the request with the new nonce (RFC 8489 §9.2.5).
- If several relays share one address: each client has to reach the same one every time.

# family-refused
The relay has no address of the family, IPv4 or IPv6, that is asked for ({code}).
+ `edgeturn config add relay_address ADDRESS` gives it one; `edgeturn status` shows those it has.
- The client may ask for the other family.

# credential-changed
The client goes on with an allocation as another user than it was made by (441).
- Let the client keep one user name and password for the whole call, and make a new connection for a new credential.

# transport-refused
The client asks to be relayed over TCP, which the server doesn't do (442).
- Calls need UDP behind the relay; `?transport=` in the URL says only how the relay is reached.
+ `edgeturn config set tcp_relay 1`, if it really is TCP that is wanted (RFC 6062).

# connection-exists
The client asks for a TCP connection to a peer that it has already (446).
- Let the client use the one that it has, or a second allocation (RFC 6062 §5.2).

# peer-not-reached
The relay couldn't connect to the peer over TCP (447): nothing listens there, or a firewall is in the way.
- See whether the peer listens at that address and port, and lets the relay in.
+ `nc -zv PEER PORT` tries the same.

# quota
The user has as many sessions as the server allows (486).
+ `edgeturn sessions` shows whose they are, `edgeturn kick` ends them, and `edgeturn config set user_quota 24` with
  `edgeturn reload` admits more.
- If all clients share one user, they share its quota: give each a name, `edgeturn credentials --user NAME`.
- A browser takes one session for each server URI and interface, and without BUNDLE for each medium.

# server-error
The server failed (500).
- Look into the server's log, and try again.

# relay-full
The server has no room left: no session, no port, or no place for another peer (508).
+ `edgeturn config set max_allocations 256` and a restart admit more sessions; `edgeturn plan` says what that takes of
  memory, `edgeturn status` what is in use.
- A server that drains before an update answers the same; name a second one in iceServers.

# other-refusal
The server refuses by a code that isn't TURN's usual ({code}).
- Look into the server's log, or into its documentation for that code.
"""
