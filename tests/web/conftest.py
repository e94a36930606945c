"""What the tests of the page are given: one relay with its page a module."""

import sys
from collections.abc import Iterator

import pytest

from tests.blackbox.relay import Relay
from tests.web.served import Page


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with Relay([sys.executable], tmp_path_factory.mktemp("relay"), {"kernel": "off"}) as relay, Page(relay) as page:
        yield page
