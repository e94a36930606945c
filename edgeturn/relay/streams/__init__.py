"""TCP and TLS: connections of a fixed pool, between a byte stream and the core's messages."""
