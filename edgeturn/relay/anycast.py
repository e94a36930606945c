"""Serving the anycast addresses of RFC 8155: a process that lives for a moment adds and removes them, for we can't.

Rule 1: `edgeturn run` names the command in the environment and adds the addresses itself before it becomes the daemon.
Rule 2: where option `discovery` changes at a reload, and at the end, the command is called; the listeners follow the
        machine's addresses, whoever changed them.
"""

import os

from edgeturn import seam

TYPE_CHECKING = False
if TYPE_CHECKING:
    from edgeturn.relay.log import Log

COMMAND = "EDGETURN_ANYCAST"


class Anycast:
    """Follows option `discovery` of one daemon."""

    def __init__(self, log: "Log", file: str, wanted: bool) -> None:
        """Take the log, the configuration's file, and whether the addresses were wanted at the start."""
        self._log = log
        self._file = file
        self._wanted = wanted
        self._command = os.getenv(COMMAND) or ""

    def follow(self, wanted: bool) -> None:
        """Have the addresses added or removed, where that is wanted otherwise than before."""
        if wanted == self._wanted:
            return
        self._wanted = wanted
        self._call("attach" if wanted else "detach")

    def end(self) -> None:
        """Have the addresses removed."""
        if self._wanted and self._command:
            self._call("detach")

    def _call(self, action: str) -> None:
        if self._command and seam.user_id() == 0:
            os.system(f"{self._command} {action} </dev/null >/dev/null 2>&1 &")
        else:
            hint = f"`edgeturn discovery {action} -c {self._file}` as root does it"
            self._log.write("warning", f"anycast-addresses-unchanged hint='{hint}'")
