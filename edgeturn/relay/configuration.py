"""A configuration: what the sections of a file mean, checked whole before anything of it is used.

Rule 1: an unknown section, option or value is an error with file and line; nothing is guessed and nothing half-applied.
Rule 2: what is not written has the default of the table.
"""

from edgeturn.protocol.credentials import MD5, SHA256, Credentials
from edgeturn.protocol.limits import Limits
from edgeturn.protocol.peers import Peers
from edgeturn.relay import options, uci
from edgeturn.relay.uci import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

LIMITS = [option.name for option in options.OPTIONS if hasattr(Limits(), option.name)]


class User:
    """A static user: a password, or keys by algorithm."""

    def __init__(self, name: str, password: str, keys: "dict[int, bytes]") -> None:
        """Take the name and one of the two."""
        self.name = name
        self.password = password
        self.keys = keys

    def is_like(self, other: "User") -> bool:
        """Say whether a user has the same name and proves itself by the same."""
        return (self.name, self.password, self.keys) == (other.name, other.password, other.keys)


class Configuration:
    """The values of a file, by option name; a list option has a list."""

    def __init__(self, text: str, file: str) -> None:
        """Read a configuration; ConfigError where it's wrong."""
        self.file = file
        self.values: dict[str, object] = _defaults("relay")
        self.users: list[User] = []
        relays = 0
        for section in uci.parse(text, file):
            if section.kind not in options.section_kinds():
                raise ConfigError(file, section.line, f"unknown section type '{section.kind}'")
            relays += section.kind == "relay"
            if relays > 1:
                raise ConfigError(file, section.line, "a second section of type 'relay'")
            self._read(section)
        self._check_bounds()

    def number(self, name: str) -> int:
        """Return the value of an option that is a number."""
        value = self.values[name]
        assert isinstance(value, int)
        return value

    def text(self, name: str) -> str:
        """Return the value of an option that is text, "" where it has none."""
        value = self.values[name]
        return value if isinstance(value, str) else ""

    def items(self, name: str) -> "list[object]":
        """Return the values of a list option."""
        value = self.values[name]
        assert isinstance(value, list)
        return value

    def limits(self) -> Limits:
        """Return the limits of the core."""
        limits = Limits()
        for name in LIMITS:
            setattr(limits, name, self.values[name])
        return limits

    def peers(self) -> Peers:
        """Return the peer policy, still without what is local to this machine."""
        return Peers([str(text) for text in self.items("allow_peer")], [str(text) for text in self.items("deny_peer")])

    def credentials(self, random: "Callable[[int], bytes]") -> Credentials:
        """Return users and secrets."""
        credentials = Credentials(self.text("realm").encode(), random(32))
        for user in self.users:
            if user.keys:
                credentials.add_user_keys(user.name.encode(), user.keys)
            else:
                credentials.add_user(user.name.encode(), user.password.encode())
        for secret in self.items("secret"):
            credentials.add_secret(str(secret).encode())
        return credentials

    def announced(self, ip: bytes) -> bytes:
        """Return the IP address that is announced for one that relays are bound to."""
        single = ip
        for pair in self.items("external_address"):
            assert isinstance(pair, tuple)
            bound: bytes = pair[0]
            announced: bytes = pair[1]
            if bound == ip:
                return announced
            if not bound and len(announced) == len(ip):
                single = announced
        return single

    def changes(self, other: "Configuration") -> "list[str]":
        """Return the names of options that differ, users as `users`."""
        names = [name for name in self.values if self.values[name] != other.values[name]]
        same = [mine.is_like(theirs) for mine, theirs in zip(self.users, other.users)]
        if len(self.users) != len(other.users) or not all(same):
            names.append("users")
        return names

    def _read(self, section: uci.Section) -> None:
        values = _defaults(section.kind)
        lines: dict[str, int] = {}
        for entry in section.entries:
            option = options.find(section.kind, entry.name)
            if option is None:
                raise ConfigError(
                    self.file, entry.line, f"unknown option '{entry.name}' in a section of type '{section.kind}'"
                )
            self._take(option, entry, values, lines)
        if section.kind == "relay":
            self.values = values
        else:
            self.users.append(self._user(section, values))

    def _take(
        self, option: options.Option, entry: uci.Entry, values: "dict[str, object]", lines: "dict[str, int]"
    ) -> None:
        """Check one entry and keep its value."""
        if entry.is_list != option.is_list:
            wanted = "list" if option.is_list else "option"
            raise ConfigError(self.file, entry.line, f"'{entry.name}' is written as '{wanted} {entry.name} …'")
        if not option.is_list and entry.name in lines:
            raise ConfigError(
                self.file, entry.line, f"option '{entry.name}' stands in line {lines[entry.name]} already"
            )
        lines[entry.name] = entry.line
        try:
            value = option.kind(entry.value)
        except ValueError as error:
            raise ConfigError(self.file, entry.line, f"option '{entry.name}': {error.args[0]}, not '{entry.value}'")
        if option.is_list:
            kept = values[entry.name]
            assert isinstance(kept, list)
            kept.append(value)
        else:
            values[entry.name] = value

    def _user(self, section: uci.Section, values: "dict[str, object]") -> User:
        password, key, key_sha256 = values["password"], values["key"], values["key_sha256"]
        if not section.name:
            raise ConfigError(self.file, section.line, "a user without a name: config user 'NAME'")
        if any(user.name == section.name for user in self.users):
            raise ConfigError(self.file, section.line, f"user '{section.name}' stands here twice")
        if (password is None) == (key is None):
            raise ConfigError(self.file, section.line, f"user '{section.name}' needs either a password or a key")
        if key_sha256 is not None and key is None:
            raise ConfigError(self.file, section.line, f"user '{section.name}' has key_sha256 without key")
        given = ((MD5, key), (SHA256, key_sha256))
        keys = {algorithm: value for algorithm, value in given if isinstance(value, bytes)}
        return User(section.name, password if isinstance(password, str) else "", keys)

    def _check_bounds(self) -> None:
        if self.number("default_lifetime") > self.number("max_lifetime"):
            raise ConfigError(self.file, 0, "option 'default_lifetime' is larger than 'max_lifetime'")
        first, last = self.values["relay_ports"]  # type: ignore[misc]
        if last - first + 1 < self.number("max_allocations"):  # type: ignore[has-type]
            raise ConfigError(self.file, 0, "option 'relay_ports' has fewer ports than 'max_allocations'")


def _defaults(section: str) -> "dict[str, object]":
    values: dict[str, object] = {}
    for option in options.OPTIONS:
        if option.section == section:
            default: object = [] if option.is_list else None
            values[option.name] = default if option.default is None else option.kind(option.default)
    return values


def read(file: str) -> Configuration:
    """Return the configuration of a file; ConfigError where it can't be read or is wrong."""
    return Configuration(read_text(file), file)


def read_text(file: str) -> str:
    """Return the text of a file; ConfigError where it can't be read."""
    try:
        with open(file) as stream:
            return stream.read()
    except OSError as error:
        raise ConfigError(file, 0, f"can't be read: {error.args[-1] if len(error.args) > 1 else error}")
    except ValueError:
        raise ConfigError(file, 0, "can't be read: it is no UTF-8 text")
