"""The pure core: STUN, TURN and their authentication, without sockets, clocks, files or randomness of its own."""
