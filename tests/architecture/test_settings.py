"""The table of settings in the documentation is whole, and says nothing that is not so."""

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass

from tests.architecture.source import ROOT, modules

ROW = re.compile(r"^\| `(?P<name>[A-Z_]+)` \| (?P<default>.*?) \|", re.MULTILINE)
# Read by libraries, or for the tests and benches alone.
OF_OTHERS = {
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "DJANGO_SETTINGS_MODULE",
    "HF_HOME",
    "FORWARDED_ALLOW_IPS",
}
NOT_FOR_OPERATORS = {
    "MOSAIC_SCRATCH",
    "MOSAIC_POSTGRESQL_SOCKET",
    "MOSAIC_BENCH_BYTES",
    "MOSAIC_BENCH_MINUTES",
}


@dataclass(frozen=True)
class Read:
    """A name that the code reads from the environment, and its default where that is a constant."""

    name: str
    default: str | None


def read_by_the_code() -> list[Read]:
    return [
        found
        for module, tree in modules()
        if module.startswith("mosaic_site")
        for constants in [_constants(tree)]
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and (found := _read(node, constants)) is not None
    ]


def _constants(tree: ast.Module) -> dict[str, object]:
    """What a module assigns to names of its own, where that is a constant."""
    return {
        ast.unparse(target): line.value.value
        for line in tree.body
        if isinstance(line, ast.Assign) and isinstance(line.value, ast.Constant)
        for target in line.targets
    }


def _read(call: ast.Call, constants: Mapping[str, object]) -> Read | None:
    """`env.KIND(NAME, default)`, or `os.environ.get(NAME, default)`."""
    function = call.func
    if not (isinstance(function, ast.Attribute) and call.args):
        return None
    if ast.unparse(function.value) not in {"env", "os.environ"}:
        return None
    first = call.args[0]
    name = first.value if isinstance(first, ast.Constant) else constants.get(ast.unparse(first))
    if not isinstance(name, str):
        return None
    given = [*call.args[1:], *(word.value for word in call.keywords if word.arg == "default")]
    constant = given[0] if given and isinstance(given[0], ast.Constant) else None
    return Read(name, None if constant is None else _shown(constant.value))


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return str(int(value))
    return str(value)


def documented() -> dict[str, str]:
    text = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    return {row["name"]: row["default"] for row in ROW.finditer(text)}


def test_every_setting_stands_in_the_table_and_nothing_else() -> None:
    read = {one.name for one in read_by_the_code()} - NOT_FOR_OPERATORS
    assert read > {"DATABASE_URL", "MOSAIC_STORAGE", "MOSAIC_PORT"}
    assert set(documented()) - OF_OTHERS == read - OF_OTHERS


def test_the_table_states_the_defaults_that_the_code_has() -> None:
    table = documented()
    wrong = [
        f"{one.name}: {one.default!r} in the code, {table[one.name]} in the table"
        for one in read_by_the_code()
        if one.default and one.name in table and f"`{one.default}`" not in table[one.name]
    ]
    assert not wrong
