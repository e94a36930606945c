"""The C module calls the same functions of the C library as the other ways do, and takes what they return alike."""

import re
from pathlib import Path

from edgeturn.seam.calls import INTEGER, LONG, POSITIVE, RESULTS, UNSIGNED, failed

SOURCE = Path(__file__).parents[2] / "firmware" / "native" / "_edgeturn" / "calls.c"
KINDS = {"INTEGER": INTEGER, "LONG": LONG, "UNSIGNED": UNSIGNED, "POSITIVE": POSITIVE}
# what a function of a kind returned, whether it failed
FAILURES = (
    (INTEGER, -1, True),
    (INTEGER, 0, False),
    (INTEGER, 5, False),
    (LONG, -1, True),
    (LONG, 1 << 20, False),
    (UNSIGNED, 0, False),
    (POSITIVE, 0, True),
    (POSITIVE, 1, False),
)


def test_the_rows_are_the_same() -> None:
    rows = dict(re.findall(r"\tROW\((\w+), (\w+)\)", SOURCE.read_text()))
    assert {name: KINDS[kind] for name, kind in rows.items()} == RESULTS


def test_what_means_that_it_failed() -> None:
    for kind, result, expected in FAILURES:
        assert failed(kind, result) is expected, (kind, result)
