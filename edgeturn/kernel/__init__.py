"""Media in the kernel: the flow map, the program that rewrites packets by it, and the relay's half that fills it."""
