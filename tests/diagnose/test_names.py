"""
The names of the cases, which `--json` shows: one cause has one name, wherever it is seen.

Rule 1: the table of meanings holds every name that a case can give, and no other; no meaning is there twice.
Rule 2: a fault that a dump and a capture both show has the same name in both.
"""

import re
from pathlib import Path

import pytest

from edgeturn.diagnose import conclusion, glossary, wording
from edgeturn.diagnose.case import CERTAIN, PAIRING, POSSIBLE, Case, Finding
from edgeturn.diagnose.cases import refusing as refusals
from edgeturn.diagnose.conclusion import conclude
from edgeturn.diagnose.evidence import Evidence
from edgeturn.diagnose.meanings import MEANINGS, Meaning
from edgeturn.diagnose.texts import gathering, pairing, refusing, roles
from tests.diagnose import test_browser_dumps, test_cases_turn

CASES = Path(conclusion.__file__).parent / "cases"
_FOUND = re.compile(r'Finding\(\s*"([a-z-]+)"')


def names() -> set[str]:
    """Return the names that cases give: those of texts, and those that stand beside their sentences."""
    texts = {each.name for text in (gathering, pairing, refusing, roles) for each in wording.parse(text.TEXT)}
    return texts | {name for path in CASES.glob("*.py") for name in _FOUND.findall(path.read_text())}


def test_each_name_has_a_meaning_of_its_own() -> None:
    listed = [each.name for each in MEANINGS]
    assert sorted(listed) == sorted(names())
    meanings = [" ".join(re.findall(r"\w+", each.text.lower())) for each in MEANINGS]
    assert len(set(meanings)) == len(meanings)


def test_a_name_is_explained() -> None:
    """As --json shows it; a word of the glossary keeps its own entry."""
    assert "no room left" in glossary.find("relay-full").text
    assert "wrong-realm" in glossary.find("credential-refused").text
    assert all(glossary.find(each.name).text for each in MEANINGS)
    assert glossary.find("hairpin").see


def test_no_text_says_what_another_says() -> None:
    """Conclusions, too, are each said once."""
    sentences = [each.text for text in (gathering, pairing, refusing, roles) for each in wording.parse(text.TEXT)]
    assert len(set(sentences)) == len(sentences)


def test_no_two_tables_have_texts_for_one_name() -> None:
    tables = [{each.name for each in wording.parse(text.TEXT)} for text in (gathering, pairing, refusing, roles)]
    assert sum(len(table) for table in tables) == len(set().union(*tables))


def test_what_a_row_explains_exists() -> None:
    known = names() | {case.name for case in conclusion.CASES}
    assert [name for case in conclusion.CASES for name in case.explains if name not in known] == []
    assert [name for each in MEANINGS for name in each.may_be if name not in names()] == []


def always(name: str, certainty: str) -> Case:
    return Case(name, PAIRING, lambda _: Finding(name, "It is so.", certainty=certainty))


@pytest.mark.parametrize("weaker", [each for each in MEANINGS if each.may_be], ids=lambda each: str(each.name))
def test_a_weaker_case_is_silent_where_a_sharper_one_speaks(weaker: Meaning) -> None:
    for sharper in weaker.may_be:
        rows = [always(weaker.name, CERTAIN), always(sharper, POSSIBLE)]
        assert [each.case for each in conclude(Evidence(), rows)] == [sharper]


SAME = (
    # fault, of a dump, of captures
    ("quota", "quota"),
    ("pool-empty", "full"),
    ("refused-400", "bad-request"),
    ("refused-403", "forbidden"),
    ("refused-420", "unknown-attribute"),
    ("refused-437", "mismatch"),
    ("refused-438", "stale"),
    ("refused-440", "other-family"),
    ("refused-441", "other-user"),
    ("refused-442", "other-transport"),
    ("refused-500", "server-error"),
    ("wrong-port", "silent"),
    ("relay-blocked", "firewall-client"),
    ("wrong-announced-address", "announced-elsewhere-client announced-elsewhere-peer"),
    ("private-announced-address", "wrong-announced-client"),
    ("behind-one-carrier", "hairpin"),
    ("peer-refused", "peer-refused"),
)


@pytest.mark.parametrize(("dump", "capture"), SAME, ids=[row[0] for row in SAME])
def test_a_fault_has_one_name_in_a_dump_and_in_a_capture(dump: str, capture: str) -> None:
    of_dump = {row[0]: row[1] for row in test_browser_dumps.CALLS}
    of_capture = {row[0]: row[1] for row in test_cases_turn.ROWS}
    assert of_dump[dump] == of_capture[capture] != ""


def test_a_code_is_one_case() -> None:
    codes = [code for code, _ in refusals.CASES_OF_CODES]
    assert len(set(codes)) == len(codes)
    assert {refusals.named(code) for code in codes} | {refusals.named(499)} <= names()
