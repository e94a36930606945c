"""Attaching by the kernel's own interfaces alone, on both interpreters: no pyroute2, no tc binary, no XDP."""
