"""Serving HTTP to strangers: what `edgeturn web` and `edgeturn tokens` share of it."""
