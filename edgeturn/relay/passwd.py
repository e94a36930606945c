"""Users of the machine, from /etc/passwd: MicroPython has no pwd module, and a router has no other source."""


def find_user(name: str) -> "tuple[int, int] | None":
    """Return user and group number of a user, None where there's none."""
    try:
        with open("/etc/passwd") as stream:
            rows = [line.split(":") for line in stream.read().split("\n")]
    except OSError:
        return None
    for row in rows:
        if len(row) > 3 and row[0] == name:
            return int(row[2]), int(row[3])
    return None
