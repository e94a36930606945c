"""A snippet: an application's configuration for one relay, with what is to be said beside it.

Rule 1: the text is what the application reads and nothing else; comments only where its format has them.
Rule 2: of the credentials that an application takes, the first that this relay can give.
Rule 3: what is asked for is used, or refused in one sentence.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from textwrap import wrap

from edgeturn.command import ice, place
from edgeturn.command.failure import Wrong
from edgeturn.command.output import date_text
from edgeturn.command.secret import fingerprint
from edgeturn.relay.configuration import Configuration
from edgeturn.snippets import reached
from edgeturn.snippets.application import DAY, MINTED, SECRET, STUN, USER, Application, Credential, Unfit

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_WIDTH = 96  # letters of a line of comment
_ENDS = {"<!--": " -->"}


@dataclass(frozen=True)
class Wishes:
    """What somebody asks for: the host, a user, a secret by itself or its fingerprint, a lifetime in seconds."""

    name: str = ""
    user: str = ""
    secret: str = ""
    lifetime: int = 0


@dataclass(frozen=True)
class Snippet:
    """What was written; expires is the Unix time at which its credential ends, 0 for never."""

    application: Application
    text: str
    notes: tuple[str, ...]
    style: str
    expires: int


def write(application: Application, settings: Configuration, wishes: Wishes | None = None) -> Snippet:
    """Return an application's configuration; Wrong where this relay or the file format hasn't what it takes."""
    asked = wishes or Wishes()
    credential = _credential(application, settings, asked)
    _check_fit(application, settings, credential)
    found = reached.reached(settings, asked.name)
    try:
        lines = application.write(found, credential)
        if asked.lifetime and credential.style == SECRET:
            longer = application.write(found, replace(credential, lifetime=credential.lifetime + DAY))
            _check_lifetime(application, lines != longer)
    except Unfit as unfit:
        raise Wrong(_unfit(application, settings, credential, str(unfit))) from None
    head = [f"{application.title}: {application.where}", f"Then: {application.apply}"]
    notes = [text for style, text in application.notes if style in ("", credential.style)]
    notes += _lasting(application, settings, credential) + _sharing(application, settings, credential)
    notes += reached.obstacles(settings, found, application.uses_tls)
    text = "".join(f"{line}\n" for line in [*_comments(application, head), *lines])
    told = notes if application.comment else [f"{line}." for line in head] + notes
    return Snippet(application, text, tuple(told), credential.style, credential.expires)


def _comments(application: Application, lines: list[str]) -> list[str]:
    begin = application.comment
    wrapped = [part for line in lines for part in wrap(line, _WIDTH, break_on_hyphens=False)] if begin else []
    return [f"{begin} {part}{_ENDS.get(begin, '')}" for part in wrapped]


def _lasting(application: Application, settings: Configuration, credential: Credential) -> list[str]:
    """Return what is to be said of how long a credential lasts."""
    if credential.style != MINTED:
        return []
    ends = f"The credential in it ends at {date_text(credential.expires)}; `--lifetime SECONDS` changes that."
    if application.styles[0] == MINTED:
        return [ends]
    if any(user.password for user in settings.users):
        return [f"{ends} A user's password lasts: `--user NAME`."]
    return [f"{ends} A user's password lasts: `{place.command('user add NAME --generate', settings.file)}`."]


def _sharing(application: Application, settings: Configuration, credential: Credential) -> list[str]:
    """Return that a quota is shared, where everybody comes by the same name."""
    quota = settings.number("user_quota")
    if not quota or not (application.is_one_user or credential.style in (USER, MINTED)):
        return []
    change = place.command("config set user_quota NUMBER", settings.file)
    shared = f"Whoever uses this configuration is one user to the relay, and all may have {quota} allocations together"
    return [f"{shared}; `{change}` changes that."]


def _credential(application: Application, settings: Configuration, asked: Wishes) -> Credential:
    _check_asked(application, asked)
    for style in application.styles:
        if _is_asked(style, asked):
            found = _STYLES[style](application, settings, asked)
            if found is not None:
                return found
    raise Wrong(_missing(application, settings, asked))


def _check_asked(application: Application, asked: Wishes) -> None:
    """Refuse what doesn't go together, or can't be used here."""
    if asked.user and asked.secret:
        raise Wrong("--user and --secret exclude each other.")
    if asked.user and asked.lifetime:
        raise Wrong("a user's password lasts until it is changed; leave --lifetime or --user out.")
    given = (("--user", asked.user), ("--secret", asked.secret), ("--lifetime", asked.lifetime))
    for option, value in given:
        if value and application.styles == (STUN,):
            raise Wrong(f"{application.title} uses STUN, which takes no credential; leave {option} out.")


def _check_lifetime(application: Application, is_used: bool) -> None:
    if not is_used:
        raise Wrong(f"{application.title} decides by itself how long its credentials last; leave --lifetime out.")


def _is_asked(style: str, asked: Wishes) -> bool:
    if style == USER:
        return not (asked.secret or asked.lifetime)
    return style == STUN or not asked.user


def _by_secret(application: Application, settings: Configuration, asked: Wishes) -> Credential | None:
    secret = _secret(settings, asked)
    return Credential(SECRET, secret=secret, lifetime=asked.lifetime or ice.LIFETIME) if secret else None


def _by_user(application: Application, settings: Configuration, asked: Wishes) -> Credential | None:
    named = [user for user in settings.users if asked.user in ("", user.name)]
    if asked.user and not named:
        add = place.command("user add", settings.file, asked.user)
        raise Wrong(f"there is no user '{asked.user}'; `{add}` makes it.")
    if asked.user and not named[0].password:
        raise Wrong(f"user '{asked.user}' is kept as a key, from which no application can be told the password.")
    for user in named:
        if user.password:
            return Credential(USER, username=user.name, password=user.password)
    return None


def _by_minting(application: Application, settings: Configuration, asked: Wishes) -> Credential | None:
    secret = _secret(settings, asked)
    if not secret:
        return None
    login = ice.mint(secret, application.name, asked.lifetime or application.minted_for)
    return Credential(MINTED, username=login.username, password=login.password, expires=login.expires)


def _by_nothing(application: Application, settings: Configuration, asked: Wishes) -> Credential | None:
    return Credential(STUN)


_STYLES: Mapping[str, Callable[[Application, Configuration, Wishes], Credential | None]] = {
    SECRET: _by_secret,
    USER: _by_user,
    MINTED: _by_minting,
    STUN: _by_nothing,
}


def _secret(settings: Configuration, asked: Wishes) -> str:
    secrets = [str(each) for each in settings.items("secret")]
    if not asked.secret:
        return secrets[0] if secrets else ""
    for each in secrets:
        if asked.secret in (each, fingerprint(each)):
            return each
    shown = place.command("secret list", settings.file)
    raise Wrong(f"there is no such secret; `{shown}` shows the fingerprints.")


def _missing(application: Application, settings: Configuration, asked: Wishes) -> str:
    """Return what an application takes and this relay hasn't, and the command that makes it."""
    if asked.user:
        return f"{application.title} takes a shared secret and no user; leave --user out."
    if asked.lifetime and not settings.items("secret"):
        add = place.command("secret add", settings.file)
        return f"--lifetime is for credentials of a shared secret, and {settings.file} has none; `{add}` makes one."
    if asked.secret:
        return f"{application.title} takes a user and no shared secret; leave --secret out."
    secret = f"`{place.command('secret add', settings.file)}` makes one"
    if application.styles == (SECRET,):
        return f"{application.title} takes a shared secret, and {settings.file} has none; {secret}."
    user = f"`{place.command('user add NAME --generate', settings.file)}` makes a user"
    return f"{settings.file} has neither a secret nor a user with a password; {secret}, {user}."


def _check_fit(application: Application, settings: Configuration, credential: Credential) -> None:
    for value in (credential.secret, credential.username, credential.password):
        if _CONTROL.search(value):
            raise Wrong(_unfit(application, settings, credential, "a control character"))
        found = re.search(application.refuses, value) if application.refuses and value else None
        if found:
            what = f"'{found[0]}'" if found[0].strip() else "a space at its beginning or end"
            raise Wrong(_unfit(application, settings, credential, what))


def _unfit(application: Application, settings: Configuration, credential: Credential, what: str) -> str:
    """Return that a value can't stand in an application's file, and what to do."""
    if credential.secret:
        rotate = place.command("secret rotate", settings.file)
        return f"the secret has {what} in it, which {application.title} would read as something else; `{rotate}` puts a plain one in front."  # fmt: skip  # noqa: E501
    add = place.command("user add NAME --generate", settings.file)
    return f"user '{credential.username}' or its password has {what} in it, which {application.title} would read as something else; `{add}` makes a plain one, `--user NAME` takes it."  # fmt: skip  # noqa: E501
