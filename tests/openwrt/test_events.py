"""What happens to a router: first boot, a certificate that is renewed, interfaces that come and change."""

import stat

import pytest

from tests.blackbox import certificates
from tests.openwrt.router import Router, until
from tests.openwrt.service import configure, opened, reloads, started

DEFAULTS = "/etc/uci-defaults/50-edgeturn"
CONFIG = "/etc/config/edgeturn"
CERTIFICATE = [
    "option certificate '/etc/ssl/acme/turn.example.org.crt'",
    "option key '/etc/ssl/acme/turn.example.org.key'",
]


def secret(router: Router) -> str:
    return router.run("uci", "get", "edgeturn.main.secret").strip()


def test_the_first_boot_makes_a_secret_and_later_ones_keep_it(router: Router) -> None:
    first = secret(router)
    assert len(first) == 32 and first.isalnum()
    text = router.text(CONFIG)
    router.run(DEFAULTS)
    assert router.text(CONFIG) == text
    assert stat.S_IMODE(router.file(CONFIG).stat().st_mode) == 0o600


def test_each_router_makes_another_secret(router: Router) -> None:
    first = secret(router)
    router.file(CONFIG).write_text("config relay 'main'\n")
    router.run(DEFAULTS)
    assert len(secret(router)) == 32 and secret(router) != first


def test_what_a_person_has_written_is_kept(router: Router) -> None:
    router.file(CONFIG).write_text(
        "config relay 'main'\n\toption realm 'example.org'\n\tlist secret 'mine'\n\n"
        "config user 'alice'\n\toption password 'p'\n"
    )
    text = router.text(CONFIG)
    router.run(DEFAULTS)
    assert router.text(CONFIG) == text


def test_without_a_file_it_makes_one_that_starts(router: Router) -> None:
    router.file(CONFIG).unlink()
    router.run(DEFAULTS)
    router.run("edgeturn", "config", "check")
    assert len(secret(router)) == 32


def test_without_random_bytes_it_makes_no_secret_and_is_called_again(router: Router) -> None:
    router.file(CONFIG).write_text("config relay 'main'\n")
    router.run("umount", "/dev/urandom")
    router.run(DEFAULTS, code=1)
    assert "secret" not in router.text(CONFIG)


def test_a_certificate_is_copied_for_the_relays_user(router: Router) -> None:
    folder = router.file("/etc/ssl/acme")
    folder.mkdir(parents=True)
    made = certificates.make(folder)
    made.key.chmod(0o600)
    pid = started(router, *CERTIFICATE).pid()
    for name in ("edgeturn.conf", "certificate.pem", "key.pem"):
        found = router.file(f"/var/etc/edgeturn/{name}").stat()
        assert (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (0, 3478, 0o640), name
    assert opened(router) == ["tcp 3478", "tcp 5349", "udp 3478", "udp 49152-50175", "udp 5349"]
    assert router.instance()["data"]["mdns"]["turns_5349"] == {"service": "_turns._tcp.local", "port": 5349}

    certificates.make(folder, days=60)
    made.key.chmod(0o600)
    router.run("/sbin/procd-standin", "event", "acme.renew")
    until(lambda: reloads(router), "the reload")
    assert router.text("/var/etc/edgeturn/certificate.pem") == made.certificate.read_text()
    assert router.pid() == pid


def test_only_the_paths_of_the_certificate_are_replaced(router: Router) -> None:
    folder = router.file("/etc/ssl/acme")
    folder.mkdir(parents=True)
    certificates.make(folder)
    router.configure(
        "config relay main\n\toption 'certificate' /etc/ssl/acme/turn.example.org.crt  # mine\n"
        '\toption "key" "/etc/ssl/acme/turn.example.org.key"\n\toption kernel off\n'
        "config user 'alice'\n\toption key '0123456789abcdef0123456789abcdef'\n"
    )
    router.service("start")
    assert router.text("/var/etc/edgeturn/edgeturn.conf") == (
        "config relay main\n\toption 'certificate' /var/etc/edgeturn/certificate.pem  # mine\n"
        '\toption "key" "/var/etc/edgeturn/key.pem"\n\toption kernel off\n'
        "config user 'alice'\n\toption key '0123456789abcdef0123456789abcdef'\n"
    )


HOTPLUG: tuple[tuple[dict[str, str], int], ...] = (
    ({"ACTION": "ifup"}, 1),
    ({"ACTION": "ifupdate", "IFUPDATE_ADDRESSES": "1"}, 1),
    ({"ACTION": "ifupdate", "IFUPDATE_PREFIXES": "1"}, 1),
    ({"ACTION": "ifupdate", "IFUPDATE_DATA": "1"}, 0),
    ({"ACTION": "ifdown"}, 0),
)


def signals(router: Router) -> int:
    return router.text("/var/run/procd/events").splitlines().count("signal edgeturn HUP")


def test_hotplug_has_the_relay_look_where_addresses_changed(router: Router) -> None:
    started(router)
    for environment, count in HOTPLUG:
        before = signals(router)
        router.run("/etc/hotplug.d/iface/90-edgeturn", code=0, INTERFACE="wan", **environment)
        assert signals(router) - before == count, environment
    until(lambda: reloads(router), "the relay to look")


def test_a_relay_that_is_about_to_start_is_left_alone(router: Router) -> None:
    started(router)
    router.file("/var/run/edgeturn/control.sock").unlink()
    router.run("/etc/hotplug.d/iface/90-edgeturn", ACTION="ifup", INTERFACE="wan")
    assert not signals(router)


def test_hotplug_starts_nothing(router: Router) -> None:
    router.run("/etc/hotplug.d/iface/90-edgeturn", ACTION="ifup", INTERFACE="wan")
    assert not router.pid()


def test_the_relay_listens_on_an_address_that_came(router: Router) -> None:
    started(router, "option tcp '0'")
    router.run("ip", "address", "add", "198.51.100.7/24", "dev", "lo")
    router.run("/etc/hotplug.d/iface/90-edgeturn", ACTION="ifup", INTERFACE="wan")
    until(lambda: "198.51.100.7:3478" in router.run("edgeturn", "status"), "the new address")


def test_an_interface_has_the_kernel_path_attached_again(router: Router) -> None:
    started(router, "option kernel 'auto'")
    router.file("/usr/bin/edgeturn").write_text('#!/bin/sh\necho "$*" >> /tmp/called\necho "no such thing"; exit 1\n')
    router.run("/sbin/procd-standin", "event", "interface.update")
    assert router.text("/tmp/called").splitlines() == ["kernel attach -c /etc/config/edgeturn"]
    assert router.logged()[-1] == "media goes through user space: no such thing"
    until(lambda: reloads(router), "the relay to look")


def test_removing_the_package_takes_the_kernel_path_away_and_an_upgrade_does_not(router: Router) -> None:
    from firmware.openwrt import staging

    staging.prerm("edgeturn-micro", router.file("/prerm"))
    router.file("/usr/bin/edgeturn").write_text('#!/bin/sh\necho "$*" >> /tmp/called\n')
    router.run("sh", "/prerm", PKG_UPGRADE="1")
    router.run("sh", "/prerm", IPKG_INSTROOT="/build")
    assert not router.text("/tmp/called")
    router.run("sh", "/prerm")
    assert router.text("/tmp/called") == "kernel detach\n"


def online(router: Router) -> None:
    """Give a router an address at its provider, and a way there."""
    router.run("ip", "address", "add", "198.51.100.7/24", "dev", "wan")
    router.run("ip", "route", "add", "default", "via", "198.51.100.1")


def test_the_kernel_path_is_attached_by_root_and_used_by_the_relays_user(router: Router) -> None:
    online(router)
    configure(router, "option kernel 'auto'")
    router.service("start")
    if router.logged():
        pytest.skip(f"this kernel doesn't attach: {router.logged()[-1]}")
    until(lambda: "kernel-path state=" in router.relay_log(), "the kernel path")
    assert "kernel-path state=on" in router.relay_log()
    assert "proven" in router.run("edgeturn", "kernel", "status")


def test_a_device_that_comes_later_is_attached_to(router: Router) -> None:
    started(router, "option kernel 'tc'")
    online(router)
    router.run("/sbin/procd-standin", "event", "interface.update")
    if router.logged():
        pytest.skip(f"this kernel doesn't attach: {router.logged()[-1]}")
    until(lambda: "kernel-path state=on" in router.relay_log(), "the kernel path")
