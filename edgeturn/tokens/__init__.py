"""iceServers over HTTP, in the formats of hosted services; stateless, so any number of copies agree."""
