"""What tests do with the service of a router: configure it, start it, look at what came of it."""

from tests.openwrt.router import Router, until


def started(router: Router, *more: str) -> Router:
    """Start the relay with more lines in its section, and wait for its first line."""
    if more:
        configure(router, *more)
    router.service("start")
    until(
        lambda: "edgeturn ready on" in router.relay_log(), f"the first line, in {router.logged()}{router.relay_log()}"
    )
    return router


def configure(router: Router, *more: str) -> None:
    """Write the section that the package installs, without remarks, with more lines in it."""
    lines = ["config relay 'main'", "list secret 'one-shared-secret'", "option user 'edgeturn'"]
    lines += ["option control '/var/run/edgeturn/control.sock'", *more]
    names = [line.split()[1] for line in more]
    lines += ["option relay_ports '49152-50175'"] * ("relay_ports" not in names)
    lines += ["option kernel 'off'"] * ("kernel" not in names)
    router.configure("\n\t".join(lines) + "\n")


def opened(router: Router) -> list[str]:
    """Return what the firewall is asked to let in, as protocol and ports."""
    rules = router.instance()["data"]["firewall"]
    for rule in rules:
        assert (rule["type"], rule["src"], rule["target"]) == ("rule", "wan", "ACCEPT"), rule
    return [f"{rule['proto']} {rule['dest_port']}" for rule in rules]


def reloads(router: Router) -> int:
    return router.relay_log().count("reloaded ")
