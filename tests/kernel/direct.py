"""
Attaching without pyroute2, told line by line, on either interpreter: `python tests/kernel/direct.py STEP FILE …`.

    attach FILE [INTERFACE…]        forward FILE        detach FILE        at_start FILE        status FILE
    killed MODULE NAME FILE         attach, forwarding too, and end at once after a step that changes something
    vanished NAME FILE INTERFACE…   attach, while an interface goes away
"""

import json
import os
import sys

from edgeturn.kernel import flows
from edgeturn.kernel.direct import attachment, filters, forwarding, gro
from edgeturn.kernel.hooks import Unattachable
from edgeturn.kernel.loader import LoadError
from edgeturn.relay.configuration import Configuration

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

WORDS = {flows.ATTACHED: "attached", flows.PROVEN: "proven"}
MODULES = {"filters": filters, "forwarding": forwarding, "gro": gro}


class Killed(BaseException):
    """What no cleaning up follows but that of the process itself."""


def read(path: str) -> Configuration:
    with open(path) as stream:
        return Configuration(stream.read(), path)


def show(rows: "list[attachment.Row]") -> None:
    for row in rows:
        kind = {flows.TC: "tc", flows.XDP: "xdp"}[row.kind]
        print(row.interface, kind, WORDS.get(row.state) or flows.HOOK_REASONS[row.reason][0])


def show_lines(lines: "list[str]") -> None:
    for line in lines:
        print(line)


def kill(module: str, name: str, path: str) -> None:
    step = getattr(MODULES[module], name)

    def run(*arguments: object) -> None:
        step(*arguments)
        raise Killed

    setattr(MODULES[module], name, run)
    attachment.attach(read(path), forward=True)


def vanish(name: str, path: str, *names: str) -> None:
    attach = filters.attach

    def run(*arguments: object) -> bool:
        os.system(f"ip link delete {name} 2>/dev/null")
        return attach(*arguments)  # type: ignore[arg-type]

    filters.attach = run  # type: ignore[assignment]
    show(attachment.attach(read(path), names))


STEPS: "dict[str, Callable[..., None]]" = {
    "attach": lambda path, *names: show(attachment.attach(read(path), names)),
    "forward": lambda path: show(attachment.attach(read(path), forward=True)),
    "detach": lambda path: print("detached", *attachment.detach(read(path))),
    "killed": kill,
    "vanished": vanish,
    "at_start": lambda path: show_lines(attachment.at_start(read(path))),
    "status": lambda path: print(json.dumps(attachment.status(read(path)))),
}


def main(step: str, *arguments: str) -> None:
    try:
        STEPS[step](*arguments)
    except Killed:
        print("killed")
    except (LoadError, Unattachable) as error:
        print("refused:", error)
    except OSError as error:
        print("failed:", error.args[0])


if __name__ == "__main__":
    main(*sys.argv[1:])
