"""
Make the captures again: `python -m tools.captures [--long] [NAME …]`, as root, into tests/diagnose/captures.

Rule 1: one scene, one ground, one file for each recorder; scenes that last minutes run with --long only, side by side.
"""

import argparse
import tempfile
import threading
from contextlib import ExitStack
from pathlib import Path

from tests.lab.network import remove_leftovers
from tools.captures import allocating, lasting, media, own, pairing, refusing
from tools.captures.ground import Ground

FOLDER = Path(__file__).resolve().parents[2] / "tests" / "diagnose" / "captures"
SCENES = {**allocating.SCENES, **refusing.SCENES, **pairing.SCENES, **lasting.SCENES, **media.SCENES}


def play(name: str, number: int) -> None:
    """Play a scene and write what its recorders saw."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        ground = Ground(stack, folder / "relay", number)
        if name in own.SCENES:
            own.SCENES[name](ground, FOLDER / f"{name}.pcapng")
            return
        recorders = {**lasting.LONG, **SCENES}[name](ground)
        for suffix, recorder in recorders.items():
            path = FOLDER / f"{name}{'-' if suffix else ''}{suffix}.pcap"
            recorder.write(path)
            print(f"{path.name}: {path.stat().st_size} bytes", flush=True)


def main() -> None:
    """Play what was asked for, or everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--long", action="store_true", help="the scenes that last ten minutes, too")
    wanted = parser.parse_args()
    FOLDER.mkdir(parents=True, exist_ok=True)
    remove_leftovers()
    slow = [name for name in lasting.LONG if name in wanted.names or (wanted.long and not wanted.names)]
    threads = [threading.Thread(target=play, args=(name, number)) for number, name in enumerate(slow, 1)]
    for thread in threads:
        thread.start()
    for name in wanted.names or [*SCENES, *own.SCENES]:
        if name not in slow:
            play(name, 0)
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main()
