"""The app's files among themselves: what the views call, the plugin lists and the ACL grants is the same."""

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from edgeturn import __version__
from edgeturn.relay import options
from tests.lab.programs import program
from tests.openwrt.luci import schemas
from tests.openwrt.luci.router import ACL, PLUGIN, READER, RIGHTS, ROOT, granted, groups
from tools import luci

TRACK = luci.APP / "root" / "usr" / "share" / "ucitrack" / "luci-app-edgeturn.json"
MAKEFILE = luci.APP / "Makefile"
SCRIPTS = sorted(luci.VIEWS.rglob("*.js"))
READABLE = {"status", "sessions", "kernel"}
# Users and secrets have a page of their own; `secret` is the only option of the relay section that isn't in the form.
NOT_IN_FORM = {"secret"}
# What is surely an array: written as one, or made by a function that makes one.
ARRAY = re.compile(r"\[|[\w.]+\.map\(|(this\.)?page\(|buttons\)")


def read(file: Path) -> Any:
    return json.loads(file.read_text())


def listed() -> dict[str, dict[str, object]]:
    """Return what the plugin lists."""
    done = subprocess.run([str(PLUGIN), "list"], capture_output=True, check=True, timeout=60)
    found: dict[str, dict[str, object]] = json.loads(done.stdout)
    return found


def test_the_plugin_is_for_the_shell_of_a_router() -> None:
    subprocess.run([program("shellcheck"), "-s", "dash", str(PLUGIN)], check=True, timeout=60)
    done = subprocess.run([program("busybox"), "sh", str(PLUGIN), "list"], capture_output=True, check=True, timeout=60)
    assert json.loads(done.stdout) == listed()


def called() -> dict[str, list[str]]:
    """Return what calls.js declares: methods and the names of their arguments."""
    rows = re.findall(r"^\t(\w+): \[([^]]*)\]", (luci.VIEWS / "edgeturn" / "calls.js").read_text(), re.MULTILINE)
    return {name: re.findall(r"'(\w+)'", arguments) for name, arguments in rows}


@pytest.mark.parametrize(
    ("file", "schema"), [(ACL, schemas.ACL), (luci.MENU, schemas.MENU), (TRACK, schemas.TRACK)], ids=lambda each: ""
)
def test_json_files_hold_what_is_known_and_nothing_else(file: Path, schema: schemas.Schema) -> None:
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(read(file), schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(read(file) | {"unheard": {}}, schema)


def test_what_the_plugin_lists_is_what_rpcd_takes() -> None:
    jsonschema.validate(listed(), schemas.LIST)


def test_every_method_is_declared_granted_listed_and_used() -> None:
    methods = set(listed())
    assert set(called()) == methods
    assert set(granted(("read", "write"))["ubus"]["edgeturn"]) == methods
    text = "\n".join(file.read_text() for file in SCRIPTS)
    assert set(re.findall(r"\bcalls\.(\w+)\(", text)) == methods
    assert {name: sorted(arguments) for name, arguments in called().items()} == {
        name: sorted(arguments) for name, arguments in listed().items()
    }


def test_who_may_only_read_is_granted_no_secret() -> None:
    rights = granted(RIGHTS[READER])
    assert set(rights["ubus"]["edgeturn"]) == READABLE
    assert rights["uci"] == {}, "the file has every password"
    assert granted(RIGHTS[ROOT])["uci"] == {"edgeturn": ["read", "write"]}


def test_each_method_is_granted_once() -> None:
    methods = granted(("read", "write"))["ubus"]["edgeturn"]
    assert len(methods) == len(set(methods))


def test_the_menu_leads_to_views_and_every_view_is_in_it() -> None:
    entries = read(luci.MENU)
    paths = {entry["action"]["path"] for entry in entries.values() if "path" in entry["action"]}
    assert paths == {
        str(file.relative_to(luci.VIEWS / "view").with_suffix("")) for file in SCRIPTS if "view/edgeturn" in str(file)
    }
    known = set(read(ACL))
    assert all(set(groups(entry)) <= known for entry in entries.values())
    orders = [entry["order"] for name, entry in entries.items() if name.count("/") == 3]
    assert orders == sorted(set(orders))


@pytest.mark.parametrize("file", SCRIPTS, ids=lambda file: file.name)
def test_scripts_are_javascript(file: Path, tmp_path: Path) -> None:
    """LuCI runs a file as the body of a function, so that `return` stands at its end."""
    whole = tmp_path / "whole.js"
    whole.write_text(f"(function() {{\n{file.read_text()}\n}});\n")
    subprocess.run([program("node"), "--check", str(whole)], check=True, timeout=60)


@pytest.mark.parametrize("file", SCRIPTS, ids=lambda file: file.name)
def test_scripts_put_nothing_but_text_into_the_page(file: Path) -> None:
    """A bare string is HTML for LuCI: the children of E() are an array, or made by a function that makes one."""
    text = file.read_text()
    assert text.startswith("'use strict';\n")
    children = re.findall(r"\bE\('\w+', (?:\{[^{}]*\}|Object\.assign\([^()]*\)), (.*)", text)
    wrong = [each for each in children if not ARRAY.match(each)]
    assert not wrong, (file.name, wrong)
    assert text.count("innerHTML") == (file.name == "snippet.js")
    assert not re.findall(r"\b(eval|document\.write|outerHTML|insertAdjacentHTML)\b", text)


def test_no_script_needs_anything_from_outside() -> None:
    for file in SCRIPTS:
        assert not re.findall(r"https?://", file.read_text()), file


def test_what_is_made_from_others_is_as_it_would_be_made_now() -> None:
    assert luci.OPTIONS.read_text() == luci.options_js(), "python -m tools.luci"
    assert luci.TRICKLE.read_text() == luci.trickle_js(), "python -m tools.luci"
    assert luci.TEMPLATE.read_text() == luci.template(), "python -m tools.luci"


def test_the_settings_have_every_option_once() -> None:
    text = (luci.VIEWS / "view" / "edgeturn" / "settings.js").read_text()
    tabs = text[text.index("const TABS") : text.index("];\n\nfunction")]
    named = [name for group in re.findall(r"\), \[([^]]*)\]", tabs) for name in re.findall(r"'(\w+)'", group)]
    rows = {option.name for option in options.OPTIONS if option.section == "relay"}
    assert sorted(named) == sorted(rows - NOT_IN_FORM)


def test_the_template_is_gettext() -> None:
    subprocess.run([program("msgfmt"), "--check-format", "-o", os.devnull, str(luci.TEMPLATE)], check=True, timeout=60)


def test_the_makefile() -> None:
    fields = dict(re.findall(r"^(\w+):=(.*)$", MAKEFILE.read_text(), re.MULTILINE))
    assert fields["PKG_LICENSE"] == "MIT"
    assert fields["LUCI_PKGARCH"] == "all"
    assert "+luci-base" in fields["LUCI_DEPENDS"].split() and "+edgeturn" in fields["LUCI_DEPENDS"].split()
    assert re.fullmatch(r"\d+", fields["PKG_RELEASE"])
    assert fields["PKG_VERSION"] == __version__
    assert MAKEFILE.read_text().endswith("# call BuildPackage - OpenWrt buildroot signature\n")
