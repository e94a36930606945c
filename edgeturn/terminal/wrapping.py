"""Text in lines of a terminal's width, where what is to be copied stays whole."""

import re
from textwrap import TextWrapper

_WIDTH = 80
_COMMAND = re.compile("`[^`]*`")
_KEPT = "\0"  # a space at which no line ends


def wrapped(text: str, first: str = "", others: str = "") -> str:
    """Return text in lines of 80 letters, with indentations; a command in backticks stays whole, to be copied."""
    wrapper = TextWrapper(_WIDTH, first, others, break_long_words=False, break_on_hyphens=False)
    kept = _COMMAND.sub(lambda found: found[0].replace(" ", _KEPT), text)
    return wrapper.fill(kept).replace(_KEPT, " ")
