"""The router: a static MicroPython with edgeturn in it, OpenWrt's packages, an emulated gateway that proves them."""
