"""The first minute, measured: from an empty Debian container to a relayed call in Chromium."""
