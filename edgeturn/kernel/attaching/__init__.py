"""What runs for a moment and not with the relay: loading the program, attaching, proving and detaching it."""
