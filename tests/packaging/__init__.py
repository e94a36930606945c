"""Edgeturn as it is installed: the wheel, pipx, the systemd unit, Debian's package."""
