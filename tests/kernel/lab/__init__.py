"""The kernel path's laboratory: namespaces, packet taps, raw senders and checks of what comes out."""
