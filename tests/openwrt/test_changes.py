"""What the web interface and the command change on a router is what the relay has afterwards, and after a signal."""

import shutil

from tests.openwrt.luci.router import PLUGIN
from tests.openwrt.router import Router, until
from tests.openwrt.service import reloads, started

COPY = "/var/etc/edgeturn/edgeturn.conf"


def call(router: Router, method: str, arguments: str) -> str:
    """Call the plugin as rpcd does."""
    target = router.file("/usr/libexec/rpcd/edgeturn")
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(PLUGIN, target)
    return router.run("sh", "-c", f"echo '{arguments}' | /usr/libexec/rpcd/edgeturn call {method}")


def test_a_user_whom_the_web_interface_removes_stays_away(router: Router) -> None:
    started(router)
    assert '"applied": true' in call(router, "user_add", '{"name": "carol"}')
    assert "carol" in router.text(COPY)
    assert '"applied": true' in call(router, "user_remove", '{"name": "carol"}')
    assert "carol" not in router.text(COPY), "the next signal, or a restart, would let this user in again"
    assert "Error" not in call(router, "users", "{}")


def test_the_web_interface_starts_no_relay(router: Router) -> None:
    assert '"applied": false' in call(router, "user_add", '{"name": "carol"}')
    assert router.relay_log() == "" and router.text(COPY) == ""


def test_the_command_says_how_the_service_takes_a_change(router: Router) -> None:
    started(router)
    assert "`service edgeturn reload`" in router.run("edgeturn", "user", "add", "carol")
    assert "`service edgeturn reload` has it take a new copy" in router.run("edgeturn", "reload", code=1)
    before = reloads(router)
    router.service("reload")
    until(lambda: reloads(router) > before, "the reload")
    assert "carol" in router.text(COPY)
