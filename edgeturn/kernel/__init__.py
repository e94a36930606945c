"""Media in the kernel: the flow map, the program that rewrites packets by it, and who attaches and fills them."""
