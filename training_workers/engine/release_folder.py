"""A composed model as a folder that needs no server.

    manifest.json              what is in it, each part with its SHA-256
    README.md                  a model card, with the head that the Hub reads
    strategy/strategy.json     how the experts are combined
    experts/<name>/            a PEFT adapter each: transformers and peft load it without us
    merged/                    for strategies at the weights: all experts as one PEFT adapter

The manifest is written last, so a folder that was broken off is no release.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from training_workers.engine.adapters import Adapter, adapter_sha256, write_adapter
from training_workers.engine.base_facts import POCKET
from training_workers.engine.bases import Base
from training_workers.engine.data import SEPARATOR
from training_workers.engine.merging import compressed, ties, weighted_sum
from training_workers.engine.pool import ExpertPool
from training_workers.engine.strategies import Strategy, load_strategy
from training_workers.engine.strategies.soup import Soup
from training_workers.engine.strategies.strategy import FILE, save_strategy
from training_workers.engine.strategies.ties import MOST_RANK, Ties

MANIFEST = "manifest.json"
FORMAT = 1
POCKET_NAME = "pocket"


class ReleaseError(Exception):
    """A folder is no release, or cannot become one; the message says why."""


@dataclass(frozen=True)
class About:
    """Whose an expert is and what others may do with it; empty where it is not known."""

    owner: str = ""
    licence: str = ""


@dataclass(frozen=True)
class Manifest:
    """What a release says of itself. `experts` have name, folder, sha256, owner and licence."""

    base: str
    base_sha256: str
    strategy: str
    strategy_sha256: str
    why: str
    created_by: str
    experts: list[dict[str, str]]
    merged_sha256: str | None = None
    format: int = FORMAT


def write_release(
    folder: Path,
    pool: ExpertPool,
    strategy: Strategy,
    *,
    about: Mapping[str, About] | None = None,
    why: str = "",
    created_by: str = "",
    merged_rank: int | None = None,
) -> Manifest:
    """Write the pool's experts and the strategy to `folder`, which must be new or empty.

    `why` says why the strategy was chosen. A merge has the summed rank of its experts, or
    `merged_rank` at most, which changes its answers as `merging.compressed` says. Raises
    ReleaseError, OSError.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ReleaseError(f"{folder} is not an empty folder.")
    if not pool.adapters:
        raise ReleaseError("A release needs an expert.")
    known = dict(about or {})
    if unknown := known.keys() - pool.names:
        raise ReleaseError(f"There is no expert {sorted(unknown)[0]!r} to say anything about.")
    experts = []
    for name, place in _folders(sorted(pool.adapters)).items():
        _write(folder / place, pool.adapters[name], pool.base)
        experts.append(
            {
                "name": name,
                "folder": place,
                "sha256": adapter_sha256(folder / place),
                **asdict(known.get(name, About())),
            }
        )
    save_strategy(strategy, folder / "strategy")
    merge = merged_adapter(pool, strategy)
    if merge is not None:
        small = merge if merged_rank is None else compressed(merge, merged_rank)[0]
        _write(folder / "merged", small, pool.base)
    manifest = Manifest(
        base=_source_name(pool.base),
        base_sha256=pool.base.sha256,
        strategy=strategy.name,
        strategy_sha256=_file_sha256(folder / "strategy" / FILE),
        why=why,
        created_by=created_by,
        experts=experts,
        merged_sha256=adapter_sha256(folder / "merged") if merge is not None else None,
    )
    (folder / "README.md").write_text(model_card(manifest), encoding="utf-8")
    text = json.dumps(asdict(manifest), indent=1, ensure_ascii=False) + "\n"
    (folder / MANIFEST).write_text(text, encoding="utf-8")
    return manifest


def read_manifest(folder: Path) -> Manifest:
    """Raises ReleaseError where there is none, or one that cannot be trusted."""
    try:
        content = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        if content["format"] != FORMAT:
            raise ReleaseError(f"{folder} has a format that this version cannot read.")
        manifest = Manifest(**content)
        places = [expert["folder"] for expert in manifest.experts]
        if not all(re.fullmatch(r"experts/[A-Za-z0-9_-]+", place) for place in places):
            raise ReleaseError(f"The {MANIFEST} of {folder} names folders outside of it.")
    except OSError as error:
        raise ReleaseError(f"{folder} is not a release: it has no {MANIFEST}.") from error
    except (ValueError, KeyError, TypeError) as error:
        raise ReleaseError(f"The {MANIFEST} of {folder} is damaged.") from error
    return manifest


def base_of(folder: Path) -> str:
    """The source of the base that a release was composed on. Raises ReleaseError."""
    source = read_manifest(folder).base
    return str(POCKET) if source == POCKET_NAME else source


def read_release(folder: Path, base: Base, threads: int = 1) -> tuple[ExpertPool, Strategy]:
    """The experts in a pool on `base`, and the strategy, each as its hash says.

    Raises ReleaseError, AdapterError.
    """
    manifest = read_manifest(folder)
    if manifest.base_sha256 != base.sha256:
        raise ReleaseError(f"The release is for another base than {base.source}: {manifest.base}.")
    pool = ExpertPool(base, threads, remember=True)
    try:
        for expert in manifest.experts:
            if adapter_sha256(folder / expert["folder"]) != expert["sha256"]:
                raise ReleaseError(f"The expert {expert['name']} is not the one that was released.")
            pool.add(expert["name"], folder / expert["folder"])
        if _file_sha256(folder / "strategy" / FILE) != manifest.strategy_sha256:
            raise ReleaseError("The strategy is not the one that was released.")
        merged = manifest.merged_sha256
        if merged is not None and adapter_sha256(folder / "merged") != merged:
            raise ReleaseError("The merged adapter is not the one that was released.")
        return pool, load_strategy(folder / "strategy")
    except OSError as error:
        raise ReleaseError(f"The release is not whole: {error.filename} is missing.") from error


def merged_adapter(pool: ExpertPool, strategy: Strategy) -> Adapter | None:
    """All experts as one adapter, where the strategy combines their weights; else None."""
    if not isinstance(strategy, Soup | Ties):
        return None
    weights = {name: weight for name, weight in strategy.weights.items() if weight}
    if not weights:
        return None
    adapters = [pool.adapters[name] for name in weights]
    if isinstance(strategy, Soup):
        return weighted_sum(adapters, list(weights.values()))
    if len(adapters) == 1:
        return adapters[0]
    rank = min(MOST_RANK, sum(adapter.rank for adapter in adapters))
    return ties(adapters, list(weights.values()), strategy.density, rank)[0]


def model_card(manifest: Manifest) -> str:
    """README.md: a YAML head, which JSON strings fit into, and what one needs to load it."""
    rows = [
        " | ".join(
            ["", *(_cell(expert[key]) for key in ("name", "owner", "licence", "folder")), ""]
        ).strip()
        for expert in manifest.experts
    ]
    merged = (
        "\n`merged/` has all of them as one adapter, which answers as the release does.\n"
        if manifest.merged_sha256
        else ""
    )
    source = json.dumps(_hub_name(manifest.base), ensure_ascii=False)
    return f"""---
base_model: {source}
library_name: peft
tags:
- lora
- mosaic
---

# A composed model

{len(manifest.experts)} experts on the base `{_hub_name(manifest.base)}`, combined by the strategy \
`{manifest.strategy}`.
{manifest.why}

| expert | owner | licence | folder |
|---|---|---|---|
{chr(10).join(rows)}
{merged}
Each folder is a plain LoRA. The experts learnt to answer after a prompt and {SEPARATOR!r}:

```python
from peft import PeftModel
from transformers import AutoModelForCausalLM

base = AutoModelForCausalLM.from_pretrained({source})
model = PeftModel.from_pretrained(base, {json.dumps(manifest.experts[0]["folder"])})
```

All together: `python -m training_workers.engine answer RELEASE PROMPT`.
"""


def _write(folder: Path, adapter: Adapter, base: Base) -> None:
    write_adapter(folder, adapter.tensors, 1.0, base)


def _folders(names: list[str]) -> dict[str, str]:
    """A folder for each name: ASCII letters, digits, `-` and `_`, none twice in any case."""
    taken: set[str] = set()
    found = {}
    for name in names:
        plain = re.sub(r"[^A-Za-z0-9_]+", "-", name).strip("-")[:60] or "expert"
        place, number = plain, 2
        while place.casefold() in taken:
            place, number = f"{plain}-{number}", number + 1
        taken.add(place.casefold())
        found[name] = f"experts/{place}"
    return found


def _source_name(base: Base) -> str:
    return POCKET_NAME if Path(base.source) == POCKET else base.source


def _hub_name(source: str) -> str:
    """A folder's path means nothing elsewhere; the id of a model on the Hub does."""
    return Path(source).name if Path(source).is_dir() else source


def _cell(text: Any) -> str:
    return " ".join(str(text).split()).replace("|", "\\|")


def _file_sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
