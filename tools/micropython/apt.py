"""
A private apt: it reads a suite of Debian, for any architecture, from the machine's own mirror, and writes under one
folder only.

Rule 1: The machine's apt stays as it is: state, cache, sources, pins and the list of what is installed are our own, and
        the machine's hooks (which would touch its caches) are cleared. Its proxies and credentials still count.
Rule 2: Signatures are checked against Debian's archive keyring.
Rule 3: No host is written here: the mirror is the one from which this machine installs Debian.
"""

import subprocess
from collections.abc import Sequence
from pathlib import Path

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
SUITE = "trixie"

# `#clear` is apt's own directive. An empty status file makes apt resolve every dependency from the suite,
# down to the C library, whatever the machine has.
_CONFIGURATION = """\
Dir::State "{folder}/state";
Dir::State::status "{folder}/status";
Dir::Cache "{folder}/cache";
Dir::Log "{folder}/log";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
APT::Sandbox::User "root";
{architecture}APT::Install-Recommends "false";
Acquire::Languages "none";
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
"""
_ARCHITECTURE = """\
APT::Architecture "{name}";
#clear APT::Architectures;
APT::Architectures {{ "{name}"; }};
"""
_OWN_SOURCES = """\
Dir::Etc::sourcelist "{folder}/sources.list";
Dir::Etc::sourceparts "/dev/null";
"""


class AptError(Exception):
    """What apt could not do, in one sentence and apt's own words."""


def run(command: Sequence[str], folder: Path) -> str:
    """Run a command in a folder and return what it printed; AptError where it fails."""
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise AptError(f"{command[0]} is missing: what is fetched here comes by Debian's apt and dpkg") from None
    if done.returncode:
        raise AptError(f"{' '.join(command)} failed:\n{done.stderr.strip()}")
    return done.stdout


class Apt:
    """The private apt of one folder."""

    def __init__(self, folder: Path, suite: str = SUITE, architecture: str = "") -> None:
        """Make the folders; without an architecture (Debian's name of one) it is the machine's."""
        self.folder, self.suite = folder, suite
        self._make_folders()
        self._machine = self._write("machine.conf", _CONFIGURATION)
        self._private = self._write("private.conf", _CONFIGURATION + _OWN_SOURCES, _ARCHITECTURE, architecture)

    def update(self) -> None:
        """Read the suite's package lists."""
        if not KEYRING.is_file():
            raise AptError(f"{KEYRING} is missing: install the package debian-archive-keyring")
        self._write("sources.list", f"deb [signed-by={KEYRING}] {self.mirror()} {self.suite} main\n")
        self._get(self._private, "update", "--error-on=any")

    def closure(self, package: str) -> list[str]:
        """Return the package and everything that it depends on."""
        plan = self._get(self._private, "install", "--simulate", package)
        return [line.split()[1] for line in plan.splitlines() if line.startswith("Inst ")]

    def named(self, pattern: str) -> list[str]:
        """Return the names of the packages that match a regular expression, sorted."""
        told = run(["apt-cache", "-c", str(self._private), "search", "--names-only", pattern], self.folder)
        return sorted(line.split()[0] for line in told.splitlines())

    def download(self, packages: Sequence[str]) -> list[Path]:
        """Download packages and return their files."""
        self._get(self._private, "download", *packages)
        return sorted(self.folder.glob("*.deb"))

    def mirror(self) -> str:
        """Return the URI from which this machine installs Debian, reading its lists anew where it has none."""
        found = self._mirrors([])
        if not found:
            self._get(self._machine, "update")
            found = self._mirrors(["-c", str(self._machine)])
        if not found:
            raise AptError("apt on this machine names no Debian archive (apt-get indextargets): add one to its sources")
        return found[0]

    def _mirrors(self, options: Sequence[str]) -> list[str]:
        query = ["indextargets", "--format", "$(REPO_URI)", "Created-By: Packages", "Label: Debian", "Component: main"]
        return run(["apt-get", *options, *query], self.folder).split()

    def _get(self, configuration: Path, *arguments: str) -> str:
        return run(["apt-get", "-q", "-c", str(configuration), *arguments], self.folder)

    def _make_folders(self) -> None:
        for name in ("state/lists/partial", "cache/archives/partial", "log"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        (self.folder / "status").touch()

    def _write(self, name: str, template: str, more: str = "", architecture: str = "") -> Path:
        path = self.folder / name
        lines = more.format(name=architecture) if architecture else ""
        path.write_text(template.format(folder=self.folder, architecture=lines))
        return path
