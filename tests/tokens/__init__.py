"""iceServers over HTTP: formats, keys, limits, and the clients of the services that the formats are from."""
