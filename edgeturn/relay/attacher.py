"""Attaching again where interfaces come and go: a process that lives for a moment does it, for the daemon can't.

Rule 1: `edgeturn run` names the command, in the environment or in `command` where it's the same process; a daemon that
        wasn't started by it only says what to do.
Rule 2: it's called where an interface got an address or came back under another number, and never twice for one change.
"""

import os

from edgeturn import seam

TYPE_CHECKING = False
if TYPE_CHECKING:
    from edgeturn.relay.log import Log
    from edgeturn.relay.network import Interface

COMMAND = "EDGETURN_ATTACH"
command = ""


class Attacher:
    """Follows the machine's interfaces for the kernel path."""

    def __init__(self, log: "Log", file: str, interfaces: "list[Interface]") -> None:
        """Take the log, the configuration's file, and the interfaces that were there when the program was attached."""
        self._log = log
        self._hint = f"`edgeturn kernel attach -c {file}` as root takes them in"
        self._command = command or os.getenv(COMMAND) or ""
        self._known = _identities(interfaces)

    def follow(self, interfaces: "list[Interface]", attached: bool) -> None:
        """Attach again where something new is there; attached: whether anything was attached before."""
        known, self._known = self._known, _identities(interfaces)
        if not attached or all(each in known for each in self._known):
            return
        if self._command and seam.user_id() == 0:
            self._log.write("info", "interfaces-changed attaching=again")
            os.system(self._command + " </dev/null >/dev/null 2>&1 &")
        else:
            self._log.write("warning", f"interfaces-changed hint='{self._hint}'")


def _identities(interfaces: "list[Interface]") -> "set[tuple[int, bytes]]":
    """Return number and address of what can carry media."""
    return {(each.number, each.ip) for each in interfaces if each.can_listen()}
