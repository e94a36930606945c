"""A client of STUN and TURN servers: what it gathers, what NAT it's behind, what a relay does to its packets."""
