"""The service on a router: what procd is told, start, reload without loss, refusal of a wrong configuration, end."""

from collections.abc import Callable

import pytest

from edgeturn.protocol.limits import Limits
from edgeturn.relay import plan
from tests.openwrt.router import Router, until
from tests.openwrt.service import configure, opened, reloads, started

COMMAND = [
    "/usr/bin/micropython",
    "-X",
    f"heapsize={(plan.Estimate(plan.MICROPYTHON, Limits(), 2).heap + 1023) // 1024}k",
]
FIREWALL = "config.change firewall"
NewRouter = Callable[[str], Router]
PACKAGES = ("edgeturn", "edgeturn-micro", "edgeturn-static")


def test_procd_is_told_all_of_a_default_service(router: Router) -> None:
    started(router)
    assert router.instance() == {
        "command": [*COMMAND, "-m", "edgeturn.relay", "-c", "/var/etc/edgeturn/edgeturn.conf"],
        "env": {"MICROPYPATH": "/usr/lib/edgeturn"},
        "respawn": ["3600", "2", "0"],
        "file": ["/var/etc/edgeturn/edgeturn.conf"],
        "reload_signal": 1,
        "limits": {"nofile": "360 360"},
        "user": "edgeturn",
        "stderr": True,
        "capabilities": "/etc/capabilities/edgeturn.json",
        "no_new_privs": True,
        "data": {
            "firewall": [
                {
                    "type": "rule",
                    "name": f"edgeturn {protocol} {ports}",
                    "src": "wan",
                    "proto": protocol,
                    "dest_port": ports,
                    "target": "ACCEPT",
                }
                for protocol, ports in (("tcp", "3478"), ("udp", "3478"), ("udp", "49152-50175"))
            ],
            "mdns": {
                "turn_3478": {"service": "_turn._udp.local", "port": 3478},
                "stun_3478": {"service": "_stun._udp.local", "port": 3478},
            },
        },
        "jail": {
            "name": "edgeturn",
            "log": True,
            "procfs": True,
            "ronly": True,
            "mount": {
                "/var/etc/edgeturn": "0",
                "/etc/resolv.conf": "0",
                "/tmp/resolv.conf": "0",
                "/tmp/resolv.conf.d": "0",
                "/lib": "0",
                "/usr/lib": "0",
                "/usr/lib/edgeturn": "0",
                "/var/run/edgeturn": "1",
                "/sys/fs/bpf": "1",
            },
        },
    }
    assert router.told()["triggers"] == [
        ["config.change", "edgeturn", "/etc/init.d/edgeturn", "reload"],
        ["acme.renew", "", "/etc/init.d/edgeturn", "reload"],
        ["interface.*", "", "/etc/init.d/edgeturn", "follow"],
    ]


def test_the_page_is_an_instance_of_its_own(new_router: NewRouter) -> None:
    router = new_router("edgeturn")
    started(router, "list web_listen '127.0.0.1:8478'")
    assert router.told()["instances"]["page"] == {
        "command": ["/usr/bin/edgeturn", "web", "-c", "/etc/config/edgeturn"],
        "respawn": ["3600", "5", "0"],
        "stderr": True,
    }


def test_without_cpython_there_is_no_page_and_a_line_says_so(router: Router) -> None:
    started(router, "list web_listen '127.0.0.1:8478'")
    assert router.instance()["command"][0] == "/usr/bin/micropython"
    assert any("needs the package edgeturn" in line for line in router.logged())


@pytest.mark.parametrize("package", PACKAGES)
def test_enable_and_start_are_enough(new_router: NewRouter, package: str) -> None:
    router = new_router(package)
    router.run("/etc/uci-defaults/50-edgeturn")
    router.service("enable")
    assert router.file("/etc/rc.d/S95edgeturn").exists()
    started(router)
    router.service("running")
    status = router.run("edgeturn", "status")
    assert "listening on" in status and "192.0.2.1:3478" in status
    assert "iceServers" in router.run("edgeturn", "credentials")
    limits = router.run("cat", f"/proc/{router.pid()}/limits")
    assert [line.split()[3:5] for line in limits.splitlines() if "open files" in line] == [["360", "360"]]
    owner = [
        line.split()[1:3] for line in router.run("cat", f"/proc/{router.pid()}/status").splitlines() if "id:" in line
    ]
    assert ["3478", "3478"] in owner and ["0", "0"] not in owner, owner


@pytest.mark.parametrize("package", PACKAGES)
def test_the_feeds_own_test_passes_on_the_installed_package(new_router: NewRouter, package: str) -> None:
    from edgeturn import __version__
    from firmware.openwrt import staging

    router = new_router(package)
    router.run("mkdir", "/test")
    for name in ("test.sh", "test-version.sh"):
        router.file(f"/test/{name}").write_text((staging.HERE / staging.FOLDERS[package] / name).read_text())
        router.run("sh", f"/test/{name}", package, __version__, PKG_NAME=package, PKG_VERSION=__version__)
    router.run("sh", "/test/test.sh", package, "9.9.9", code=1)


OPENINGS = (
    ("nothing but UDP", ["option tcp '0'"], "udp 3478"),
    ("another port", ["list listen '192.0.2.1:3479'", "option tcp '0'"], "udp 3479"),
    ("IPv6 with a port", ["list listen '[2001:db8::1]:3480'", "option tcp '0'"], "udp 3480"),
    ("without a port", ["list listen '192.0.2.1'", "option tcp '0'"], "udp 3478"),
    ("two of them", ["list listen '192.0.2.1:81'", "list listen '192.0.2.1:82'"], "tcp 81, tcp 82, udp 81, udp 82"),
    ("nobody outside", ["list listen '127.0.0.1:3478'", "list listen '[::1]:3478'"], ""),
    ("a second port for discovery", ["option nat_discovery '1'", "option tcp '0'"], "udp 3478, udp 3479"),
    ("TCP to peers", ["option tcp_relay '1'"], "tcp 3478, tcp 49152-50175, udp 3478"),
)


@pytest.mark.parametrize(("what", "lines", "expected"), OPENINGS)
def test_the_firewall_opens_what_is_listened_on(router: Router, what: str, lines: list[str], expected: str) -> None:
    configure(router, *lines)
    router.service("start")
    wanted = [opening for opening in expected.split(", ") if opening]
    assert opened(router) == sorted([*wanted, "udp 49152-50175"]), what
    assert FIREWALL in router.text("/var/run/procd/events")


RELAYING = "udp 49152-50175"
LOCAL = (
    ("a private address", ["list listen '192.168.9.1:3478'"], [RELAYING]),
    ("a unique local one", ["list listen '[FD00::9]:3478'"], [RELAYING]),
    ("one of them", ["list listen '192.168.9.1:81'", "list listen '192.0.2.1:82'"], [RELAYING, "udp 82"]),
    ("one that is not there", ["list listen '192.168.8.1:81'"], [RELAYING, "udp 81"]),
    ("a second port for discovery", ["list listen '192.168.9.1:81'", "option nat_discovery '1'"], [RELAYING]),
    ("peers of local networks", ["list relay_address '192.168.9.1'"], ["udp 3478"]),
    (
        "the WAN behind another NAT",
        ["list listen '192.168.7.1:81'", "list relay_address '192.168.7.1'"],
        [RELAYING, "udp 81"],
    ),
)  # fmt: skip


def test_for_local_networks_alone_the_firewall_is_not_opened(router: Router) -> None:
    for address, device in (("192.168.9.1/24", "lo"), ("fd00::9/64", "lo"), ("192.168.7.1/24", "wan")):
        router.run("ip", "address", "add", address, "dev", device)
    router.run("ip", "route", "add", "default", "dev", "wan")
    for what, lines, expected in LOCAL:
        configure(router, "option tcp '0'", *lines)
        router.service("start")
        assert opened(router) == expected, what
        router.service("stop")


def test_what_a_reload_closes_stays_open_until_the_end(router: Router) -> None:
    started(router, "option tcp '0'", "option relay_ports '50000-50999'")
    configure(router, "option tcp '0'", "option relay_ports '51000-51999'")
    router.service("reload")
    assert opened(router) == ["udp 3478", "udp 50000-50999", "udp 51000-51999"]
    router.service("stop")
    router.service("start")
    assert opened(router) == ["udp 3478", "udp 51000-51999"]


def test_the_firewall_is_told_of_changes_only(router: Router) -> None:
    started(router)
    configure(router, "option user_quota '7'")
    router.service("reload")
    configure(router, "option user_quota '7'", "option nat_discovery '1'")
    router.service("reload")
    router.service("stop")
    assert router.text("/var/run/procd/events").splitlines() == [FIREWALL] * 3


def test_a_reload_is_a_signal_and_drops_nobody(router: Router) -> None:
    pid = started(router).pid()
    configure(router, "option user_quota '7'")
    router.run("/sbin/reload_config")
    configure(router, "option user_quota '8'")
    router.run("/sbin/reload_config")
    until(lambda: "reloaded applied=user_quota" in router.relay_log(), "the new configuration")
    assert router.pid() == pid


def test_a_reload_without_a_change_is_no_signal(router: Router) -> None:
    started(router)
    router.service("reload")
    router.service("look")
    until(lambda: reloads(router), "the signal that was asked for")
    assert reloads(router) == 1


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (
            "option max_allocations 'many'",
            "option 'max_allocations': must be a whole number from 1 to 8192, not 'many'",
        ),
        ("option no_such_option '1'", "unknown option 'no_such_option'"),
        ("option relay_ports '50000-50001'", "'relay_ports' has fewer ports than 'max_allocations'"),
        ("option user 'nobody-here'", "there is no user 'nobody-here'"),
        ("option certificate '/nowhere.pem'\n\toption key '/nowhere.key'", "/nowhere.pem can't be read"),
    ],
)
def test_a_wrong_value_is_one_line_and_no_start(router: Router, line: str, said: str) -> None:
    router.configure(f"config relay 'main'\n\toption kernel 'off'\n\t{line}\n")
    router.service("start", code=1)
    assert len(router.logged()) == 1, router.logged()
    assert router.logged()[0].startswith("not started: ") and said in router.logged()[0]
    assert not router.pid()
    assert not router.text("/var/run/procd/edgeturn.json")


def test_a_folder_that_others_use_keeps_its_owner(router: Router) -> None:
    router.configure("config relay 'main'\n\toption user 'edgeturn'\n\toption control '/tmp/edgeturn.sock'\n")
    router.service("start")
    assert router.file("/tmp").stat().st_uid == 0
    assert router.file("/var/etc/edgeturn").stat().st_gid == 3478


def test_without_a_section_it_says_so(router: Router) -> None:
    router.configure("# empty\n")
    router.service("start", code=1)
    assert "has no section of type 'relay'" in router.logged()[0]


def test_a_wrong_value_changes_nothing_of_a_relay_that_runs(router: Router) -> None:
    pid = started(router).pid()
    configure(router, "option user_quota 'many'")
    router.service("reload", code=1)
    router.service("start", code=1)
    assert ["not reloaded:" in line or "not started:" in line for line in router.logged()] == [True, True]
    assert router.pid() == pid
    assert reloads(router) == 0
    assert "many" not in router.text("/var/etc/edgeturn/edgeturn.conf")


def test_a_relay_that_dies_is_started_again(router: Router) -> None:
    pid = started(router).pid()
    router.run("kill", "-9", pid)
    until(lambda: router.pid() not in ("", pid), "another process")
    until(lambda: router.relay_log().count("edgeturn ready on") == 2, "its first line")


def test_stop_leaves_nothing(router: Router) -> None:
    started(router, "option discovery '1'")
    assert "192.0.0.10/32" in router.run("ip", "address", "show", "dev", "lo")
    router.service("stop")
    assert not router.file("/var/etc/edgeturn").exists()
    assert "192.0.0.10" not in router.run("ip", "address", "show", "dev", "lo")
    router.service("running", code=1)
    assert "edgeturn.relay" not in router.run("ps")


LIMITS: tuple[tuple[str, dict[str, int]], ...] = (
    ("the default", {}),
    ("many", {"max_allocations": 256, "max_connections": 100}),
    ("TCP to peers", {"max_allocations": 16, "tcp_relay": 1, "max_tcp_peers": 32}),
)


@pytest.mark.parametrize(("what", "values"), LIMITS)
def test_it_may_open_all_files_that_it_needs(router: Router, what: str, values: dict[str, int]) -> None:
    configure(router, *(f"option {name} '{value}'" for name, value in values.items()))
    router.service("start")
    limits = Limits()
    for name, value in values.items():
        setattr(limits, name, value)
    needed = plan.open_files(limits, 2) + plan.held_files(limits, 2)
    assert router.instance()["limits"] == {"nofile": f"{needed} {needed}"}, what
