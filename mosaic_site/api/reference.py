"""The API's description as a page shows it: parts, operations, and what each takes and gives."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

METHODS = ("get", "post", "put", "patch", "delete")


@dataclass(frozen=True)
class Field:
    """`of`: its type, or the values it may have."""

    name: str
    of: str
    required: bool
    about: str


@dataclass(frozen=True)
class Operation:
    id: str
    method: str
    path: str
    about: str
    scope: str
    parameters: list[Field] = field(default_factory=list)
    body: list[Field] = field(default_factory=list)
    answer: list[Field] = field(default_factory=list)
    is_paged: bool = False


def reference_of(schema: Mapping[str, Any]) -> dict[str, list[Operation]]:
    """Operations by part, in the order of the addresses."""
    parts: dict[str, list[Operation]] = defaultdict(list)
    for path, methods in schema["paths"].items():
        for method in METHODS:
            if method in methods:
                said = methods[method]
                parts[said["tags"][0]].append(_operation(path, method, said, schema))
    return dict(parts)


def _operation(
    path: str, method: str, said: Mapping[str, Any], schema: Mapping[str, Any]
) -> Operation:
    content = said.get("requestBody", {}).get("content", {})
    answer: Mapping[str, Any] = next(
        (one for status, one in said["responses"].items() if status.startswith("2")), {}
    )
    shape = _shape(answer.get("content", {}), schema)
    results = shape.get("properties", {}).get("results", {})
    is_paged = "results" in shape.get("properties", {})
    return Operation(
        id=said["operationId"],
        method=method.upper(),
        path=path,
        about=said.get("description", ""),
        scope=said.get("x-scope", ""),
        parameters=[
            Field(
                one["name"],
                _kind(one["schema"], schema),
                bool(one.get("required")),
                one.get("description", ""),
            )
            for one in said.get("parameters", [])
            if one.get("in", "path") != "path"  # which page, by reference, is said of all lists
        ],
        body=list(_fields(_shape(content, schema), schema)),
        answer=list(_fields(_resolved(results.get("items", {}), schema), schema))
        if is_paged
        else list(_fields(shape, schema)),
        is_paged=is_paged,
    )


def _shape(content: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    for media in content.values():
        return _resolved(media.get("schema", {}), schema)
    return {}


def _resolved(shape: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    if "$ref" in shape:
        found: Mapping[str, Any] = schema["components"]["schemas"][shape["$ref"].split("/")[-1]]
        return found
    return shape


def _fields(shape: Mapping[str, Any], schema: Mapping[str, Any]) -> Iterator[Field]:
    required = shape.get("required", [])
    for name, said in shape.get("properties", {}).items():
        yield Field(name, _kind(said, schema), name in required, said.get("description", ""))


def _kind(said: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    """Its type in a word or two."""
    for key in ("oneOf", "anyOf", "allOf"):
        if key in said:
            kinds = [_kind(one, schema) for one in said[key]]
            return " or ".join(dict.fromkeys(kind for kind in kinds if kind))
    resolved = _resolved(said, schema)
    if "enum" in resolved:
        return ", ".join(str(value) for value in resolved["enum"] if value not in ("", None))
    if "$ref" in said:
        return str(said["$ref"].split("/")[-1])
    kind = resolved.get("type", "anything")
    kinds = [kind] if isinstance(kind, str) else list(kind)
    if "array" in kinds:
        of = _kind(resolved.get("items", {}), schema)
        kinds = [f"list of {of}" if one == "array" else one for one in kinds]
    if resolved.get("format") in {"date-time", "uuid", "binary"}:
        kinds = [resolved["format"] if one == "string" else one for one in kinds]
    return " or ".join(kinds)
