"""What the cases of roles say."""

TEXT = """
# candidates-never-added
The signalling loses {whose} candidates: offer and answer came, the candidates that trickle after them didn't.
- In the application: send each `icecandidate` event to the other side, and `addIceCandidate` it there after
  `setRemoteDescription`.
- Or don't trickle: wait until `iceGatheringState` is complete, then send `localDescription`.
- The relay isn't the cause.

# no-candidates-given
The other side's candidates never came: it gathered none, or the signalling loses them.
- Give the other side's dump as a second file; it tells which of the two it is.
- In the application: each `icecandidate` event has to go to the other side, and into `addIceCandidate` there.

# candidates-refused
The browser refused {count} of the candidates that it was given.
- Call `addIceCandidate` after `setRemoteDescription`, with sdpMid and candidate as they were; keep those that come
  early until then.

# no-answer
An offer was made and no answer ever came: the signalling didn't carry it, or the other side didn't take the call.
- Look at the application's signalling (WebSocket, XMPP, Matrix events) and at the other side's console.
- The relay isn't the cause.

# not-answered
An offer came and this side never answered it.
- Look at the application's console on this side: an exception, a missing microphone, or nobody took the call.
- The relay isn't the cause.

# both-offer
Both sides made an offer and neither answered: the call was begun from both ends at once (glare).
- Only one side may begin: give one of them the part that waits, or use WebRTC's pattern of perfect negotiation.
- Which one it is doesn't matter to the relay: whoever begins, both may use it.

# both-lite
Both sides say that they are ice-lite, so neither of them begins to check.
- ice-lite is for servers on a public address only; a browser or a machine behind a NAT needs full ICE (RFC 8445 §2.5).

# lite-behind-nat
The side that is ice-lite, mostly a server, offers nothing but private addresses; ice-lite works on public ones only.
- Set the server's public address: each SFU has an option for it (announced IP, external IP, NAT mapping).

# setup-doesnt-fit
Offer and answer don't fit in who begins DTLS: setup:{offer} and setup:{answer}.
- An offer says actpass, and the answer active or passive (RFC 8842). Somebody on the way changed it, or the program is
  at fault.

# same-role
Both sides are {role} in ICE{why}.
- {step}
- The side that offers is controlling (RFC 8445 §6.1.1): let only one side offer, and hand out no offer as an answer.

# media-refused
The answer refuses {media} (port 0): no format in common, or the other side doesn't want it.
- Compare the codecs of offer and answer. The relay isn't the cause.

# only-described
There is no candidate in this description: they follow one by one (trickle), so it alone doesn't show why a call fails.
- Give the candidates as a second file: what `icecandidate` events carry, or what `addIceCandidate` got.

# no-candidates-in-sdp
There is no candidate in this description, so the other side has no address to send to.
- Send `localDescription` when `iceGatheringState` is complete, or send the candidates after it (trickle).
"""
