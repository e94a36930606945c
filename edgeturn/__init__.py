"""Edgeturn: a STUN and TURN relay for the edge router."""

__version__ = "0.1.0"
