"""The relay's signalling as packets: its live stream, pcapng, and reading packets."""
