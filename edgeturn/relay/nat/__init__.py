"""Behind another NAT: which addresses the world knows the relay by, and having ports mapped."""
