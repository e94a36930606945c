"""A client that was told an address only: `python -m tests.lab.discover HOST` allocates there and prints the answer."""

import json
import sys

from edgeturn.protocol import address, stun
from tests.blackbox.client import Client
from tests.lab.relay import PASSWORD, PORT, USER


def main(host: str) -> None:
    answer = Client((host, PORT), USER, PASSWORD, host="::" if ":" in host else "0.0.0.0").allocate()
    alternate = answer.message.attributes.get(stun.ALTERNATE_SERVER, b"")
    print(json.dumps({"code": answer.code, "alternate": address.format(alternate[2:]) if alternate else ""}))


main(sys.argv[1])
