"""The habits that every file keeps."""

import ast
import re

from mosaic_site.ledger.registry import SENTENCES
from tests.architecture.source import ROOT, modules

TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))
ASSETS = sorted(path for path in (ROOT / "static").rglob("*") if path.suffix in {".css", ".js"})


def test_no_blanket_except_and_no_junk_room() -> None:
    blanket = [
        f"{name}:{node.lineno}"
        for name, tree in modules()
        for node in ast.walk(tree)
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or (isinstance(node.type, ast.Name) and node.type.id == "Exception"))
    ]
    assert not blanket
    assert not [name for name, _ in modules() if name.rsplit(".", 1)[-1] in {"utils", "helpers"}]


def test_only_actions_write() -> None:
    """Rows are written in `actions/` (and the kernel's ledger), nowhere else."""
    writers = {"save", "create", "bulk_create", "get_or_create", "update_or_create", "delete"}
    wrong = []
    for name, tree in modules("contributions", "governance", "training_workers"):
        if ".actions" in name or ".intake" in name or ".engine" in name or ".tally" in name:
            continue
        for node in ast.walk(tree):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr in writers - {"save"}
                and isinstance(node.func.value, ast.Attribute)
                and node.func.value.attr == "objects"
            ):
                wrong.append(f"{name}:{node.lineno}")
    assert not wrong


def test_every_recorded_action_has_its_sentence() -> None:
    recorded = {
        value.value
        for _, tree in modules()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        # argparse and forms have an `action` too
        and getattr(node.func, "id", "") in {"record", "_move", "_settle"}
        for keyword in node.keywords
        if keyword.arg == "action"
        for value in ast.walk(keyword.value)
        if isinstance(value, ast.Constant)
    }
    assert recorded
    assert not {str(action) for action in recorded} - SENTENCES.keys()


def test_no_asset_comes_from_elsewhere_and_nothing_is_inline() -> None:
    elsewhere = re.compile(
        r"""<(?:script|img|link|iframe|source)[^>]*["'](?:https?:)?//|url\(["']?(?:https?:)?//"""
    )
    inline = re.compile(r"<style|\sstyle=|<script(?![^>]*\bsrc=)|\son[a-z]+=[\"']|javascript:")
    wrong = []
    for path in [*TEMPLATES, *ASSETS]:
        text = path.read_text(encoding="utf-8")
        if elsewhere.search(text):
            wrong.append(f"{path.name}: loads from elsewhere")
        if path.suffix == ".html" and inline.search(text):
            wrong.append(f"{path.name}: inline style or script")
    assert TEMPLATES
    assert not wrong
