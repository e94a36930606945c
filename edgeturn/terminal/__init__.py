"""What `edgeturn top` draws and how it is driven: pure functions from a model to lines and from a key to an order.

Plain ANSI sequences and not curses: those few that every terminal since the VT100 has are enough, OpenWrt has curses
in a package of its own only, and a router seldom has the terminfo of the terminal that somebody comes from.
"""
