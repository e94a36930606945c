"""The core is pure: it imports nothing but struct, itself and the interpreter seam, and of that only computations."""

import os

FOLDER = __file__.rsplit("/", 1)[0] + "/../../edgeturn/protocol"
ALLOWED = ("struct", "edgeturn.protocol", "edgeturn.seam")
FROM_SEAM = ["base64", "crc32", "datagram", "from_base64", "hmac_sha1", "hmac_sha256", "md5"]
FROM_SEAM += ["pack_pair", "same", "sha256", "unpack_pair"]
MOST_LINES = 500


def sources() -> list[tuple[str, str]]:
    """Return name and text of every file of the core."""
    found = []
    for folder in ("", "mapping/"):
        for name in sorted(os.listdir(FOLDER + "/" + folder)):
            if name.endswith(".py"):
                with open(FOLDER + "/" + folder + name) as file:
                    found.append((folder + name, file.read()))
    return found


def imports(text: str) -> list[str]:
    """Return the lines that import something at run time; those below `if TYPE_CHECKING:` are never run."""
    lines = []
    typing = False
    for line in text.split("\n"):
        if line and not line.startswith(" "):
            typing = line == "if TYPE_CHECKING:"
        words = line.strip().split(" ")
        if words[0] in ("import", "from") and len(words) > 1 and not typing and '"' not in line:
            lines.append(line)
    return lines


def test_there_is_a_core_to_look_at() -> None:
    names = [name for name, _ in sources()]
    assert len(names) > 10 and "turn.py" in names
    assert sum([len(imports(text)) for _, text in sources()]) > 30


def test_imports_are_found() -> None:
    text = "import os\nfrom time import time\nif TYPE_CHECKING:\n    from x import y\n\ndef f():\n    import socket\n"
    assert imports(text) == ["import os", "from time import time", "    import socket"]


def test_the_core_imports_struct_itself_and_the_seam_only() -> None:
    for name, text in sources():
        for line in imports(text):
            words = line.split(" ")
            assert words[0] == "from", name + ": " + line
            module = words[1]
            assert module in ALLOWED or module.startswith("edgeturn.protocol."), name + ": " + line


def test_the_core_takes_computations_from_the_seam_and_nothing_that_touches_the_world() -> None:
    for name, text in sources():
        for line in imports(text):
            if line.startswith("from edgeturn.seam"):
                taken = [words.strip().split(" ")[0] for words in line.split(" import ")[1].split(",")]
                assert all(word in FROM_SEAM for word in taken), name + ": " + line


def test_the_core_asks_nobody_which_interpreter_runs() -> None:
    for name, text in sources():
        for word in ("sys", "sys.implementation", "sys.implementation.name", "print", "__import__", "eval", "exec"):
            words = [part.split("(")[0] for line in text.split("\n") for part in line.split(" ")]
            assert word not in words, name + ": " + word


def test_files_stay_short() -> None:
    for name, text in sources():
        assert len(text.split("\n")) <= MOST_LINES, name
