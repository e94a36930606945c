"""Let tox find the interpreters that pyenv keeps outside PATH."""

import os
from pathlib import Path

_PYENV = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))

_INTERPRETERS = sorted(_PYENV.glob("versions/3.1*/bin/python3"))

os.environ.setdefault("TOX_DISCOVER", ",".join(str(path) for path in _INTERPRETERS))
