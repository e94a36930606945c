"""What the tests of the kernel path share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kernel.attaching import Site
from tests.kernel.lab.kernel import TC, XDP, Kernel, bpffs
from tests.kernel.lab.topology import Line
from tests.lab.programs import why_no_namespaces


@pytest.fixture(scope="session")
def bpf_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    lacking = why_no_namespaces()
    if lacking:
        pytest.skip(lacking)
    with bpffs(tmp_path_factory.mktemp("bpf") / "fs") as folder:
        yield folder


@pytest.fixture
def pins(bpf_folder: Path) -> Path:
    return bpf_folder / "edgeturn"


@pytest.fixture(scope="module")
def line() -> Iterator[Line]:
    lacking = why_no_namespaces()
    if lacking:
        pytest.skip(lacking)
    with Line() as made:
        yield made


@pytest.fixture(scope="module", params=[TC, XDP])
def hook(request: pytest.FixtureRequest) -> str:
    """The hook that is to carry the packets."""
    return str(request.param)


@pytest.fixture(scope="module")
def attached(line: Line, hook: str, bpf_folder: Path) -> Iterator[Kernel]:
    """The program, attached on both sides of the line's router: once a module, for XDP's takes the verifier a while."""
    with Kernel(bpf_folder / "line") as made:
        made.attach_all(line.relay, [line.lan, line.wan], hook)
        yield made


@pytest.fixture
def kernel(attached: Kernel) -> Kernel:
    """The attached program, with nothing bound."""
    attached.forget()
    return attached


@pytest.fixture
def site(bpf_folder: Path) -> Iterator[Site]:
    """A relay on a router of its own, which attaches and detaches as the tool does."""
    with Line() as made:
        relay = Site(made, bpf_folder / "relays")
        yield relay
        relay.detach()
