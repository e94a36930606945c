"""Applications' configuration for this relay: one row an application, and what fills it in."""
