"""The schemas of the arguments of tools. A mistake that a model makes in them is a text for it, not an exception."""

from collections.abc import Mapping
from typing import Any

from ._errors import Wrong


class Schema:
    """An object with some properties, of which the first ones named are required."""

    def __init__(self, *required: str, **properties: dict[str, Any]) -> None:
        self.required, self.properties = required, properties

    def json(self) -> dict[str, Any]:
        """Returns the JSON Schema."""
        schema: dict[str, Any] = {"type": "object", "properties": dict(self.properties), "additionalProperties": False}
        if self.required:
            schema["required"] = list(self.required)
        return schema


def _about(schema: dict[str, Any], description: str) -> dict[str, Any]:
    return {**schema, "description": description} if description else schema


def text(description: str) -> dict[str, Any]:
    return _about({"type": "string"}, description)


def choice(description: str, *values: str) -> dict[str, Any]:
    return _about({"type": "string", "enum": list(values)}, description)


def flag(description: str) -> dict[str, Any]:
    return _about({"type": "boolean"}, description)


def integer(description: str, least: int, most: int | None = None) -> dict[str, Any]:
    limits = {"minimum": least} if most is None else {"minimum": least, "maximum": most}
    return _about({"type": "integer", **limits}, description)


def listed(description: str, *values: str) -> dict[str, Any]:
    return _about({"type": "array", "items": {"type": "string", "enum": list(values)} if values else {"type": "string"}}, description)


def checked(schema: Schema, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the arguments that are given. Models give null for those that they leave out."""
    if not isinstance(arguments, Mapping):
        raise Wrong("the arguments must be an object")
    given = {name: value for name, value in arguments.items() if value is not None}
    for name in given:
        if name not in schema.properties:
            raise Wrong(f"there is no argument {name!r}: there are {', '.join(schema.properties)}")
    for name in schema.required:
        if name not in given:
            raise Wrong(f"{name}: is required")
    return {name: _value(name, schema.properties[name], value) for name, value in given.items()}


def _value(name: str, schema: Mapping[str, Any], value: Any) -> Any:
    match schema["type"]:
        case "string":
            if not isinstance(value, str):
                raise Wrong(f"{name}: must be a text")
            if value not in schema.get("enum", (value,)):
                raise Wrong(f"{name}: must be one of {', '.join(schema['enum'])}")
        case "boolean":
            if not isinstance(value, bool):
                raise Wrong(f"{name}: must be true or false")
        case "integer":
            if isinstance(value, float) and value.is_integer():
                value = int(value)
            if not isinstance(value, int) or isinstance(value, bool):
                raise Wrong(f"{name}: must be a whole number")
            if not schema["minimum"] <= value <= schema.get("maximum", value):
                raise Wrong(f"{name}: must be {schema['minimum']} or more" + (f", and {schema['maximum']} or less" if "maximum" in schema else ""))
        case _:
            if not isinstance(value, list):
                raise Wrong(f"{name}: must be a list of texts")
            return [_value(name, schema["items"], each) for each in value]
    return value
