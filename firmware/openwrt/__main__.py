"""`python3 -m firmware.openwrt …`: what a developer asks of the packages.

validation                      print the validation functions of the init script
stage PACKAGE FOLDER [BINARY]   install a package's files into a folder, as the feed's build would
release ARCHIVE                 write version and checksum of a release archive into the Makefiles
verify ARCHIVE                  compare them
"""

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from firmware.openwrt import release, staging


def _validation() -> None:
    from firmware.openwrt import validation  # which needs edgeturn, and a release doesn't

    print(validation.script(), end="")


def _stage(package: str, folder: str, binary: str | None = None) -> None:
    with tempfile.TemporaryDirectory() as work:
        staging.stage(package, Path(folder).resolve(), Path(work), Path(binary).resolve() if binary else None)


# Name -> what is done, with how many arguments.
_COMMANDS: dict[str, tuple[Callable[..., None], tuple[int, ...]]] = {
    "validation": (_validation, (0,)),
    "stage": (_stage, (2, 3)),
    "release": (lambda archive: release.write(Path(archive)), (1,)),
    "verify": (lambda archive: release.verify(Path(archive)), (1,)),
}


def main(arguments: list[str]) -> int:
    """Do what is asked; 1 where that fails, 2 where it can't be understood."""
    command, counts = _COMMANDS.get(arguments[0] if arguments else "", (None, ()))
    if command is None or len(arguments) - 1 not in counts:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        command(*arguments[1:])
    except (staging.StagingError, release.ReleaseError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
