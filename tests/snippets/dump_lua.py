"""What a file of Lua sets, told by Lua itself: each value's path, type and bytes."""

import subprocess
from typing import Any

_DUMP = r"""
local text, env = io.read("a"), {}
assert(load(text, "snippet", "t", env))()
local function hex(s) return (s:gsub(".", function(c) return ("%02x"):format(c:byte()) end)) end
local function dump(value, path)
  if type(value) ~= "table" then
    print(table.concat(path, "."), type(value), hex(tostring(value)))
    return
  end
  for k, v in pairs(value) do
    path[#path + 1] = tostring(k)
    dump(v, path)
    path[#path] = nil
  end
end
dump(env, {})
"""
_TYPES = {"string": str, "number": int, "boolean": lambda text: text == "true"}


def run(text: str) -> dict[str, Any]:
    """Return the variables that a text sets, tables as dicts by key; a list's keys are "1", "2" and so on."""
    words = ["lua5.4", "-e", _DUMP]
    done = subprocess.run(words, input=text.encode(), capture_output=True, timeout=90, check=True)
    found: dict[str, Any] = {}
    for line in done.stdout.decode().splitlines():
        path, kind, value = line.split("\t")
        *outer, last = path.split(".")
        table = found
        for each in outer:
            table = table.setdefault(each, {})
        table[last] = _TYPES[kind](bytes.fromhex(value).decode())  # type: ignore[operator]
    return found
