"""What somebody chose to see: which table, sorted by what, filtered, a row, a pause, a question that waits.

Rule 1: a row is chosen by its session's number or its user's name, so it stays chosen wherever sorting moves it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from edgeturn.terminal.columns import SESSIONS, USERS, Column, searched
from edgeturn.terminal.picture import Picture, Session, User

Row = Session | User
TABLE, FILTER, QUESTION, HELP, DETAIL = "table", "filter", "question", "help", "detail"
LONGEST_FILTER = 64


@dataclass(frozen=True)
class Quit:
    """The order to end."""


@dataclass(frozen=True)
class Kick:
    """The order to end one session, or all of a user."""

    session: int | None = None
    user: str | None = None

    @property
    def words(self) -> str:
        """Return what would be ended."""
        return f"session {self.session}" if self.user is None else f"all sessions of user {self.user}"


Order = Quit | Kick


@dataclass
class Sorting:
    """The column that a table is sorted by, and which way."""

    head: str
    falls: bool


def _sortings() -> dict[bool, Sorting]:
    return {False: Sorting("DOWN/s", True), True: Sorting("DOWN/s", True)}


@dataclass
class View:
    """What was chosen so far."""

    mode: str = TABLE
    shows_users: bool = False
    sortings: dict[bool, Sorting] = field(default_factory=_sortings)
    filter: str = ""
    selected: int | str | None = None
    index: int = 0  # where the chosen row was last, for when it's gone
    paused: bool = False
    question: tuple[Kick, str] | None = None  # what yes would do, and the words that ask
    note: str = ""  # what the last order came to

    @property
    def columns(self) -> Sequence[Column]:
        """Return the columns of the table that is shown."""
        return USERS if self.shows_users else SESSIONS

    @property
    def sorting(self) -> Sorting:
        """Return what that table is sorted by."""
        return self.sortings[self.shows_users]

    @property
    def noun(self) -> str:
        """Return what its rows are."""
        return "users" if self.shows_users else "sessions"


def key_of(row: Row) -> int | str:
    """Return what a row is chosen by."""
    return row.name if isinstance(row, User) else row.number


def rows(view: View, seen: Picture | None) -> list[Row]:
    """Return the rows of the table that pass the filter, in order."""
    if seen is None:
        return []
    every: Sequence[Row] = seen.users if view.shows_users else seen.sessions
    wanted = view.filter.lower()
    passed = [row for row in every if wanted in searched(row)] if wanted else list(every)
    column = next(each for each in view.columns if each.head == view.sorting.head)
    return sorted(passed, key=column.key, reverse=view.sorting.falls)


def chosen_row(view: View, shown: Sequence[Row]) -> int | None:
    """Return where the chosen row is; where it's gone, its place in the table; None where none is chosen."""
    if view.selected is None or not shown:
        return None
    for index, row in enumerate(shown):
        if key_of(row) == view.selected:
            return index
    return min(view.index, len(shown) - 1)
