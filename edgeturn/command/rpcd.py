"""`edgeturn rpcd`: what the router's web interface asks, by rpcd, which calls a plugin as `list` and `call METHOD`.

Rule 1: arguments are one JSON object on standard input, bounded; each is of the type that METHODS says, or refused.
Rule 2: an answer is one JSON object on standard output, smaller than what rpcd takes; what can't be done is {"error":
        one sentence}, and the exit code is 0, for rpcd looks at nothing else.
Rule 3: no answer of `status`, `sessions`, `users`, `secrets`, `kernel` or `check` holds a secret, a password or a
        credential: rpcd's ACL gives those to people who may only look.
Rule 4: what changes the file has the relay that runs take it at once, and says whether it did.
"""

import json
import sys

from edgeturn import seam
from edgeturn.command import change, control, ice, identity, place, secret, user
from edgeturn.command.failure import Failure, Wrong

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from edgeturn.command.calling import Given
    from edgeturn.command.edit import Document

    Answer = dict[str, Any]
    Arguments = dict[str, Any]
    Method = tuple[str, Callable[[str, Arguments], Answer], dict[str, object]]

_REQUEST_SIZE = 16384
_ANSWER_SIZE = 200000  # bytes of sessions: rpcd takes 256 KB from a plugin and drops what is more, all of it
_CHECK_SECONDS = 15  # rpcd kills what takes 30
_LONGEST = 10 * 365 * 86400
_SESSION_ID = "ubus_rpc_session"  # who asks: rpcd has judged it already
_TYPES = {str: "a text", int: "a whole number", bool: "true or false"}


def rpcd(given: "Given") -> None:
    """Answer `list`, or `call METHOD`."""
    serve(given.file, given.text("list|call") or "", given.text("[METHOD]"))


def serve(file: str, word: str, method: "str | None") -> None:
    """Print what there is, or the answer to a call; Wrong where neither is asked."""
    if word == "list":
        print(json.dumps({row[0]: row[2] for row in METHODS}))
    elif word == "call" and method is not None:
        print(json.dumps(answer(file, method, sys.stdin.buffer.read(_REQUEST_SIZE + 1))))
    else:
        raise Wrong("rpcd calls this as `edgeturn rpcd list` and `edgeturn rpcd call METHOD`.")


def answer(file: str, name: str, request: bytes) -> "Answer":
    """Return the answer to a call; request: the JSON object of its arguments, or nothing."""
    try:
        for method, call, types in METHODS:
            if method == name:
                return call(file, _arguments(request, types))
        raise Wrong("there is no such method.")
    except Failure as failure:
        return {"error": failure.message}
    except OSError as error:
        return {"error": f"{seam.reason(error)}."}
    except Exception as error:  # whoever asks gets an answer
        seam.print_trace(error)
        return {"error": "that failed; `edgeturn rpcd call METHOD` in a terminal says where."}


def _arguments(request: bytes, types: "dict[str, object]") -> "Arguments":
    """Return the arguments that were given; Wrong where they aren't what METHODS says."""
    if len(request) > _REQUEST_SIZE:
        raise Wrong(f"the arguments have more than {_REQUEST_SIZE} bytes.")
    try:
        found = json.loads(request.decode()) if request.strip() else {}
    except (ValueError, RuntimeError, MemoryError):  # the last two: nested without end
        found = None
    if not isinstance(found, dict):
        raise Wrong("the arguments are no JSON object.")
    found.pop(_SESSION_ID, None)
    for name in found:
        if name not in types:
            raise Wrong("there is an argument that this method doesn't know.")
        if type(found[name]) is not type(types[name]):
            raise Wrong(f"'{name}' has to be {_TYPES[type(types[name])]}.")
    return {name: value for name, value in found.items() if value != ""}


def _needed(arguments: "Arguments", name: str) -> str:
    if name not in arguments:
        raise Wrong(f"'{name}' is missing.")
    return str(arguments[name])


# What may be looked at.


def _status(file: str, arguments: "Arguments") -> "Answer":
    return control.ask(place.read(file), "status")


def _sessions(file: str, arguments: "Arguments") -> "Answer":
    found: Any = control.ask(place.read(file), "sessions")["sessions"]
    told, size = 0, 0
    while told < len(found) and size < _ANSWER_SIZE:
        size += len(json.dumps(found[told]))
        told += 1
    return {"sessions": found[:told], "total": len(found)}


def _users(file: str, arguments: "Arguments") -> "Answer":
    return {
        "users": [{"name": each.name, "kept": "keys" if each.keys else "password"} for each in place.read(file).users]
    }


def _secrets(file: str, arguments: "Arguments") -> "Answer":
    secrets = [secret.fingerprint(str(each)) for each in place.read(file).items("secret")]
    return {"secrets": [{"fingerprint": each, "mints": at == 0} for at, each in enumerate(secrets)]}


def _kernel(file: str, arguments: "Arguments") -> "Answer":
    from edgeturn.command import kernel

    return kernel.document(file)


def _check(file: str, arguments: "Arguments") -> "Answer":
    from edgeturn.command import check

    return check.document(file, _CHECK_SECONDS)


# What ends a session.


def _kick(file: str, arguments: "Arguments") -> "Answer":
    if len(arguments) != 1:
        raise Wrong("name one of 'session' and 'user'.")
    return control.ask(place.read(file), "kick", **arguments)


# Who may use the relay.


def _user_add(file: str, arguments: "Arguments") -> "Answer":
    """Add a user; the password is told where it was made here."""
    name = user.user_name(_needed(arguments, "name"))
    given = arguments.get("password")
    chosen = identity.random_word() if given is None else user.opaque(given, "a password")
    user.add_to(file, name, chosen)
    return _taken(file, {"name": name} if given else {"name": name, "password": chosen})


def _user_remove(file: str, arguments: "Arguments") -> "Answer":
    name = _needed(arguments, "name")

    def edit(document: "Document") -> None:
        section = document.section("user", name)
        if section is None:
            raise Wrong("there is no such user.")
        document.remove_section(section)

    change.apply(file, edit)
    done = _taken(file, {"name": name, "ended": []})
    if arguments.get("kick"):
        try:
            done["ended"] = control.ask(place.read(file), "kick", user=name)["ended"]
        except Failure:
            pass  # it has no session, or no relay runs
    return done


def _secret_add(file: str, arguments: "Arguments") -> "Answer":
    return _secret_added(file, arguments.get("value"), False)


def _secret_rotate(file: str, arguments: "Arguments") -> "Answer":
    return _secret_added(file, None, True)


def _secret_added(file: str, given: "str | None", first: bool) -> "Answer":
    chosen = identity.random_word() if given is None else given

    def edit(document: "Document") -> None:
        if any(entry.value == chosen for entry in document.entries("secret")):
            raise Wrong("this secret is there already; nothing was changed.")
        document.add("secret", chosen, first)

    change.apply(file, edit)
    return _taken(file, {"fingerprint": secret.fingerprint(chosen)})


def _secret_remove(file: str, arguments: "Arguments") -> "Answer":
    which = _needed(arguments, "fingerprint")

    def edit(document: "Document") -> None:
        found = [entry for entry in document.entries("secret") if secret.fingerprint(entry.value) == which]
        if not found:
            raise Wrong("there is no such secret.")
        document.remove(found)

    change.apply(file, edit)
    return _taken(file, {"fingerprint": which})


def _secret_show(file: str, arguments: "Arguments") -> "Answer":
    which = _needed(arguments, "fingerprint")
    for each in place.read(file).items("secret"):
        if secret.fingerprint(str(each)) == which:
            return {"fingerprint": which, "secret": str(each)}
    raise Wrong("there is no such secret.")


def _credentials(file: str, arguments: "Arguments") -> "Answer":
    settings = place.read(file)
    login = _minted(file, arguments)
    return {
        "username": login.username,
        "password": login.password,
        "expires": login.expires,
        "realm": settings.text("realm"),
        "urls": ice.urls(settings),
    }


def _snippet(file: str, arguments: "Arguments") -> "Answer":
    return ice.servers(place.read(file), _minted(file, arguments))


def _minted(file: str, arguments: "Arguments") -> ice.Login:
    """Return a credential from the first secret of a file."""
    secrets = place.read(file).items("secret")
    seconds = arguments.get("ttl", ice.LIFETIME)
    if not secrets:
        raise Wrong("there is no secret to mint from; add one.")
    if not 0 < seconds <= _LONGEST:
        raise Wrong(f"'ttl' is a whole number from 1 to {_LONGEST}.")
    return ice.mint(str(secrets[0]), user.opaque(arguments.get("user", "guest"), "a name"), seconds)


def _taken(file: str, done: "Answer") -> "Answer":
    """Have the relay that runs take the file, and add to an answer whether it did, and why not."""
    try:
        control.ask(place.read(file), "reload", configuration=place.read_text(file))
        done["applied"] = True
    except control.Unreachable:
        done["applied"] = False
    except Failure as failure:
        done["applied"] = False
        done["note"] = failure.message
    return done


# Name, function, arguments: each with a value of its type, as rpcd wants it. A tuple, for the order.
METHODS: "tuple[Method, ...]" = (
    ("status", _status, {}),
    ("sessions", _sessions, {}),
    ("users", _users, {}),
    ("secrets", _secrets, {}),
    ("kernel", _kernel, {}),
    ("kick", _kick, {"session": 0, "user": ""}),
    ("check", _check, {}),
    ("user_add", _user_add, {"name": "", "password": ""}),
    ("user_remove", _user_remove, {"name": "", "kick": True}),
    ("secret_add", _secret_add, {"value": ""}),
    ("secret_rotate", _secret_rotate, {}),
    ("secret_remove", _secret_remove, {"fingerprint": ""}),
    ("secret_show", _secret_show, {"fingerprint": ""}),
    ("credentials", _credentials, {"user": "", "ttl": 0}),
    ("snippet", _snippet, {"user": "", "ttl": 0}),
)
