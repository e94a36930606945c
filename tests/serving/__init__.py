"""What `edgeturn web` and `edgeturn tokens` share."""
