"""What the app's JSON files may hold, as JSON schemas: a typo would hide, for LuCI ignores what it doesn't know."""

from typing import Any

Schema = dict[str, Any]


def _object(required: tuple[str, ...] = (), **properties: Schema) -> Schema:
    return {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}


def _objects(name: str, each: Schema) -> Schema:
    """Return the schema of an object whose names fit a pattern."""
    return {"type": "object", "patternProperties": {name: each}, "additionalProperties": False, "minProperties": 1}


_TEXT: Schema = {"type": "string", "minLength": 1}
_TEXTS: Schema = {"type": "array", "items": _TEXT, "minItems": 1, "uniqueItems": True}
_RIGHTS = _object(ubus=_objects("^edgeturn$", _TEXTS), uci=_objects("^edgeturn$", _TEXTS))
_VIEW = _object(("type", "path"), type={"const": "view"}, path={"type": "string", "pattern": "^edgeturn/[a-z]+$"})
_FIRST = _object(("type",), type={"const": "firstchild"})
_DEPENDS = _object(("acl",), acl=_TEXTS, uci=_objects("^edgeturn$", {"const": True}))

ACL = _objects(
    "^luci-app-edgeturn(-[a-z]+)?$", _object(("description",), description=_TEXT, read=_RIGHTS, write=_RIGHTS)
)
MENU = _objects(
    "^admin/services/edgeturn(/[a-z]+)?$",
    _object(
        ("title", "order", "action", "depends"),
        title=_TEXT,
        order={"type": "integer", "minimum": 1},
        action={"oneOf": [_VIEW, _FIRST]},
        depends=_DEPENDS,
    ),
)
TRACK = _object(("config", "init"), config={"const": "edgeturn"}, init={"const": "edgeturn"})
LIST = _objects(
    "^[a-z_]+$",
    {"type": "object", "additionalProperties": {"enum": ["", 0, True]}, "propertyNames": {"pattern": "^[a-z]+$"}},
)
