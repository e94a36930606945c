"""A configuration: what the sections of a file mean, checked whole before anything of it is used.

Rule 1: an unknown section, option or value is an error with file and line; nothing is guessed and nothing half-applied.
Rule 2: what is not written has the default of the table.
"""

from edgeturn.protocol.address import format, ip_of, join, port_of
from edgeturn.protocol.credentials import MD5, SHA256, Credentials
from edgeturn.protocol.limits import Limits
from edgeturn.protocol.peers import Peers
from edgeturn.protocol.redirect import Alternates
from edgeturn.protocol.token import Tokens
from edgeturn.relay import options, uci
from edgeturn.relay.tokens import TokenKey
from edgeturn.relay.uci import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

LIMITS = [option.name for option in options.OPTIONS if option.section == "relay" and hasattr(Limits(), option.name)]


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
        self.token_keys: list[TokenKey] = []
        self.api_keys: list[tuple[str, dict[str, object]]] = []  # for `edgeturn tokens`, not for the relay
        self.found: dict[bytes, bytes] = {}  # what `external_address auto` has found, by relay address
        relays = 0
        for section in uci.parse(text, file):
            if section.kind not in options.section_kinds():
                raise ConfigError(file, section.line, f"unknown section type '{section.kind}'")
            relays += section.kind == "relay"
            if relays > 1:
                raise ConfigError(file, section.line, "a second section of type 'relay'")
            self._read(section)
        self._check_names()
        self._check_bounds()
        self._check_alternates()
        self._check_discovery()

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
        if not self.values["tcp"] and not self.text("certificate"):
            limits.max_connections = 0
        return limits

    def peers(self) -> Peers:
        """Return the peer policy, still without what is local to this machine."""
        return Peers([str(text) for text in self.items("allow_peer")], [str(text) for text in self.items("deny_peer")])

    def credentials(self, random: "Callable[[int], bytes]") -> Credentials:
        """Return users, secrets and token keys; ConfigError where this machine can't read tokens."""
        credentials = Credentials(self.text("realm").encode(), random(32))
        for user in self.users:
            if user.keys:
                credentials.add_user_keys(user.name.encode(), user.keys)
            else:
                credentials.add_user(user.name.encode(), user.password.encode())
        for secret in self.items("secret"):
            credentials.add_secret(str(secret).encode())
        credentials.tokens = Tokens((self.text("oauth_server") or self.text("realm")).encode())
        for each in self.token_keys:
            each.add_to(credentials.tokens)
        return credentials

    def alternates(self, random: "Callable[[int], bytes]") -> Alternates:
        """Return the servers that clients are sent to."""
        places = [each for each in self.items("alternate_server") if isinstance(each, bytes)]
        return Alternates(places, self.text("alternate_domain").encode(), random(32))

    def differs(self, other: "Configuration", *names: str) -> bool:
        """Say whether one of some options differs."""
        return any(self.values[name] != other.values[name] for name in names)

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
        return self.found.get(ip, ip) if single == ip else single

    def changes(self, other: "Configuration") -> "list[str]":
        """Return the names of options that differ, users as `users` and token keys as `token_keys`."""
        names = [name for name in self.values if self.values[name] != other.values[name]]
        same = [mine.is_like(theirs) for mine, theirs in zip(self.users, other.users)]
        if len(self.users) != len(other.users) or not all(same):
            names.append("users")
        alike = [mine.is_like(theirs) for mine, theirs in zip(self.token_keys, other.token_keys)]
        if len(self.token_keys) != len(other.token_keys) or not all(alike):
            names.append("token_keys")
        return names

    def keep(self, started: "Configuration") -> None:
        """Have what only a restart changes as a relay was started with it."""
        for option in options.OPTIONS:
            if option.section == "relay" and not option.live:
                self.values[option.name] = started.values[option.name]

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
        elif section.kind == "token_key":
            self.token_keys.append(TokenKey(self.file, section.line, section.title(), values))
        elif section.kind == "api_key":
            self._add_api_key(section, values)
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
        name = section.title()
        if not name:
            raise ConfigError(self.file, section.line, "a user without a name: config user 'NAME'")
        if any(user.name == name for user in self.users):
            raise ConfigError(self.file, section.line, f"user '{name}' stands here twice")
        if (password is None) == (key is None):
            raise ConfigError(self.file, section.line, f"user '{name}' needs either a password or a key")
        if key_sha256 is not None and key is None:
            raise ConfigError(self.file, section.line, f"user '{name}' has key_sha256 without key")
        given = ((MD5, key), (SHA256, key_sha256))
        keys = {algorithm: value for algorithm, value in given if isinstance(value, bytes)}
        return User(name, password if isinstance(password, str) else "", keys)

    def _add_api_key(self, section: uci.Section, values: "dict[str, object]") -> None:
        name = section.title()
        wrong = ""
        if not name:
            wrong = "an api_key without a name: config api_key 'NAME'"
        elif values["id"] is None or values["token_sha256"] is None:
            wrong = f"api_key '{name}' needs id and token_sha256"
        elif any(name == other or values["id"] == known["id"] for other, known in self.api_keys):
            wrong = f"api_key '{name}', or its id, stands here twice"
        elif not values["min_ttl"] <= values["ttl"] <= values["max_ttl"]:  # type: ignore[operator]
            wrong = f"api_key '{name}' has no ttl between min_ttl and max_ttl"
        if wrong:
            raise ConfigError(self.file, section.line, wrong)
        self.api_keys.append((name, values))

    def _check_names(self) -> None:
        """Refuse what would be two kinds of user, or two keys, of one name."""
        names = [user.name for user in self.users]
        for each in self.token_keys:
            if each.kid in names:
                raise ConfigError(self.file, 0, f"the name of token_key '{each.kid}' stands here twice")
            names.append(each.kid)

    def _check_alternates(self) -> None:
        """Refuse alternates that are this relay itself, which would send clients round in circles."""
        listening = [each for each in self.items("listen") + self.items("listen_tls") if isinstance(each, bytes)]
        announced = [join(self.announced(ip_of(each)), port_of(each)) for each in listening]
        for each in self.items("alternate_server"):
            assert isinstance(each, bytes)
            if not any(ip_of(each)):
                raise ConfigError(self.file, 0, f"option 'alternate_server': {format(each)} is no server's address")
            if each in listening or each in announced:
                raise ConfigError(self.file, 0, f"option 'alternate_server': {format(each)} is this relay itself")

    def _check_backends(self) -> None:
        """Refuse backends that are this relay itself; where wildcards make them so, that is seen at run time."""
        listening = [each for each in self.items("listen") + self.items("listen_tls") if isinstance(each, bytes)]
        for name in ("https_backend", "http_backend"):
            backend = self.values[name]
            if isinstance(backend, bytes) and (not any(ip_of(backend)) or not port_of(backend)):
                raise ConfigError(self.file, 0, f"option '{name}': {format(backend)} is no server's address")
            if backend in listening:
                raise ConfigError(self.file, 0, f"option '{name}': the relay itself listens there")

    def _check_discovery(self) -> None:
        port = self.number("alternate_port")
        ports = [port_of(each) for each in self.items("listen") if isinstance(each, bytes)] or [options.DEFAULT_PORT]
        if self.values["nat_discovery"] and port in ports:
            raise ConfigError(self.file, 0, f"option 'alternate_port': {port} is the port that clients ask already")

    def _check_bounds(self) -> None:
        if self.number("default_lifetime") > self.number("max_lifetime"):
            raise ConfigError(self.file, 0, "option 'default_lifetime' is larger than 'max_lifetime'")
        self._check_certificate()
        self._check_backends()
        first, last = self.values["relay_ports"]  # type: ignore[misc]
        if last - first + 1 < self.number("max_allocations"):  # type: ignore[has-type]
            raise ConfigError(self.file, 0, "option 'relay_ports' has fewer ports than 'max_allocations'")

    def _check_certificate(self) -> None:
        for name in ("key", "listen_tls", "tls_names", "dtls"):
            if self.values[name] and not self.text("certificate"):
                raise ConfigError(self.file, 0, f"option '{name}' needs option 'certificate', a PEM file")
        if self.text("certificate") and not self.text("key"):
            raise ConfigError(self.file, 0, "option 'certificate' needs option 'key', the file with its private key")


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
        data = uci.read(file)
        if data is not None:
            return data.decode()
    except OSError as error:
        raise ConfigError(file, 0, f"can't be read: {error.args[-1] if len(error.args) > 1 else error}")
    except ValueError:
        raise ConfigError(file, 0, "can't be read: it is no UTF-8 text")
    raise ConfigError(file, 0, "is too large for a configuration")
