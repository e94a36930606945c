"""What a relay takes: bytes on flash of each firmware that is built, memory beside other relays of the same run."""
