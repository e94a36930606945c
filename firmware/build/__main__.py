"""Build the firmware and print where it is: `python3 -m firmware.build ARCH [--flavour tls|plain]`, or `all`."""

import argparse
import lzma
import sys
from pathlib import Path

from .architectures import BY_NAME, FLAVOURS
from .binary import binary
from .steps import BuildError


def main() -> None:
    """Build what is asked for, and print its paths."""
    wanted = _arguments()
    try:
        for architecture in BY_NAME if wanted.architecture == "all" else [wanted.architecture]:
            for flavour in FLAVOURS if wanted.flavour == "all" else [wanted.flavour]:
                path = binary(BY_NAME[architecture], flavour)
                print(_row(path) if wanted.table else path, flush=True)
    except BuildError as error:
        sys.exit(f"the firmware can't be built: {error}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python3 -m firmware.build", description=__doc__)
    parser.add_argument("architecture", choices=[*BY_NAME, "all"])
    parser.add_argument("--flavour", choices=[*FLAVOURS, "all"], default=FLAVOURS[0])
    parser.add_argument("--table", action="store_true", help="print sizes too")
    return parser.parse_args()


def _row(path: Path) -> str:
    content = path.read_bytes()
    packed = len(lzma.compress(content, preset=9 | lzma.PRESET_EXTREME))
    return f"{path}  {len(content)} bytes, {packed} packed by xz"


main()
