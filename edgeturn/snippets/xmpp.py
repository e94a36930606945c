"""XMPP servers, and Jitsi, which has one inside."""

from edgeturn.snippets.application import SECRET, USER, Application, Credential, Reached
from edgeturn.snippets.quoting import basic, compose, raw


def _prosody(reached: Reached, given: Credential) -> list[str]:
    lines = [
        f"turn_external_host = {raw(reached.host)}",
        f"turn_external_port = {reached.port}",
        f"turn_external_secret = {raw(given.secret)}",
        f"turn_external_ttl = {given.lifetime}",
        f"turn_external_tcp = {'true' if reached.has_tcp else 'false'}",
    ]
    return [*lines, f"turn_external_tls_port = {reached.tls_port}"] if reached.tls_port else lines


def _jitsi(reached: Reached, given: Credential) -> list[str]:
    host = f"host = {raw(reached.host)}"
    minted = f'secret = true, ttl = {given.lifetime}, algorithm = "turn"'
    rows = [f'type = "stun", {host}, port = {reached.port}, transport = "udp"']
    rows += [
        f'type = "turn", {host}, port = {reached.port}, transport = "{transport}", {minted}'
        for transport in reached.transports
    ]
    if reached.tls_port:
        rows.append(f'type = "turns", {host}, port = {reached.tls_port}, transport = "tcp", {minted}')
    return [
        f"external_service_secret = {raw(given.secret)};",
        "external_services = {",
        *[f"    {{ {row} }};" for row in rows],
        "};",
    ]


def _jitsi_docker(reached: Reached, given: Credential) -> list[str]:
    rows = [("TURN_HOST", reached.host), ("TURN_PORT", str(reached.port))]
    rows.append(("TURN_TRANSPORT", ",".join(reached.transports)))
    if reached.tls_port:
        rows += [("TURNS_HOST", reached.host), ("TURNS_PORT", str(reached.tls_port))]
    if given.secret:
        rows += [("TURN_CREDENTIALS", given.secret), ("TURN_TTL", str(given.lifetime))]
    else:
        rows += [("TURN_USERNAME", given.username), ("TURN_PASSWORD", given.password)]
    return [f"{name}={compose(value)}" for name, value in rows]


def _snikket(reached: Reached, given: Credential) -> list[str]:
    return [
        "SNIKKET_TWEAK_TURNSERVER=0",
        f"SNIKKET_TWEAK_TURNSERVER_DOMAIN={compose(reached.host)}",
        f"SNIKKET_TWEAK_TURNSERVER_PORT={reached.port}",
        f"SNIKKET_TWEAK_TURNSERVER_SECRET={compose(given.secret)}",
    ]


def _ejabberd(reached: Reached, given: Credential) -> list[str]:
    ways = [("stun", reached.port, "udp"), *[("turn", reached.port, each) for each in reached.transports]]
    ways += [("turns", reached.tls_port, "tcp")] if reached.tls_port else []
    lines = [
        "modules:",
        "  mod_stun_disco:",
        "    offer_local_services: false",
        f"    credentials_lifetime: {given.lifetime} seconds",
        f"    secret: {basic(given.secret)}",
        "    services:",
    ]
    for kind, port, transport in ways:
        lines += [f"      - host: {basic(reached.host)}", f"        port: {port}", f"        type: {kind}"]
        lines += [f"        transport: {transport}", f"        restricted: {'false' if kind == 'stun' else 'true'}"]
    return lines


APPLICATIONS = (
    Application(
        "jitsi",
        "Jitsi Meet, Debian's packages",
        "into /etc/prosody/conf.avail/YOUR-DOMAIN.cfg.lua, instead of what it has of these two; "
        '"external_services" has to be among the modules_enabled of the VirtualHost',
        "systemctl restart prosody",
        (SECRET,),
        "--",
        _jitsi,
        ("jitsi-meet",),
    ),
    Application(
        "jitsi-docker",
        "Jitsi Meet, Docker",
        "into .env beside docker-compose.yml",
        "docker compose up -d --force-recreate prosody",
        (SECRET, USER),
        "#",
        _jitsi_docker,
        ("docker-jitsi-meet",),
        refuses=r'["\\]',  # its start writes them into a string of Lua as they are
    ),
    Application(
        "prosody",
        "Prosody, 0.12 and newer",
        'into prosody.cfg.lua, above the first VirtualHost; and "turn_external" among its modules_enabled',
        "systemctl restart prosody, then prosodyctl check turn",
        (SECRET,),
        "--",
        _prosody,
    ),
    Application(
        "ejabberd",
        "ejabberd",
        "into ejabberd.yml, under the modules: that is there, instead of its mod_stun_disco",
        "ejabberdctl reload_config",
        (SECRET,),
        "#",
        _ejabberd,
    ),
    Application(
        "snikket",
        "Snikket",
        "into snikket.conf",
        "docker compose up -d",
        (SECRET,),
        "#",
        _snikket,
        uses_tls=False,
    ),
)
