"""A composed model as a folder that needs no server: `release_manifest` says what is in it."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from training_workers.engine.adapters import Adapter, adapter_sha256, write_adapter
from training_workers.engine.base_facts import source_name
from training_workers.engine.bases import Base
from training_workers.engine.merging import compressed, ties, weighted_sum
from training_workers.engine.pool import ExpertPool
from training_workers.engine.release_manifest import (
    CARD,
    CHAT_TEMPLATE,
    MANIFEST,
    MERGED,
    STRATEGY,
    STRATEGY_FILE,
    TEMPLATE,
    About,
    Manifest,
    ReleaseError,
    folders_of,
    manifest_json,
    model_card,
    read_manifest,
    vllm,
)
from training_workers.engine.strategies import Strategy, load_strategy
from training_workers.engine.strategies.soup import Soup
from training_workers.engine.strategies.strategy import save_strategy
from training_workers.engine.strategies.ties import MOST_RANK, Ties


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
    titles = {name: known.get(name, About()).title or name for name in sorted(pool.adapters)}
    ranks = {}
    for name, place in folders_of(titles).items():
        _write(folder / place, pool.adapters[name], pool.base)
        ranks[place] = pool.adapters[name].rank
        experts.append(
            {
                "name": name,
                "folder": place,
                "sha256": adapter_sha256(folder / place),
                **asdict(known.get(name, About())),
            }
        )
    save_strategy(strategy, folder / STRATEGY)
    merge = write_merged(folder / MERGED, pool, strategy, merged_rank)
    if merge is not None:
        ranks[MERGED] = merge.rank
    manifest = Manifest(
        base=source_name(pool.base.source),
        base_sha256=pool.base.sha256,
        strategy=strategy.name,
        strategy_sha256=_file_sha256(folder / STRATEGY / STRATEGY_FILE),
        why=why,
        created_by=created_by,
        experts=experts,
        merged_sha256=adapter_sha256(folder / MERGED) if merge is not None else None,
    )
    state = json.loads((folder / STRATEGY / STRATEGY_FILE).read_text(encoding="utf-8"))
    card = model_card(manifest, vllm(manifest, state, ranks))
    (folder / CARD).write_text(card, encoding="utf-8")
    (folder / TEMPLATE).write_text(CHAT_TEMPLATE, encoding="utf-8")
    (folder / MANIFEST).write_text(manifest_json(manifest), encoding="utf-8")
    return manifest


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
        if _file_sha256(folder / STRATEGY / STRATEGY_FILE) != manifest.strategy_sha256:
            raise ReleaseError("The strategy is not the one that was released.")
        merged = manifest.merged_sha256
        if merged is not None and adapter_sha256(folder / MERGED) != merged:
            raise ReleaseError("The merged adapter is not the one that was released.")
        return pool, load_strategy(folder / STRATEGY)
    except OSError as error:
        raise ReleaseError(f"The release is not whole: {error.filename} is missing.") from error


def write_merged(
    folder: Path, pool: ExpertPool, strategy: Strategy, rank: int | None = None
) -> Adapter | None:
    """Write all experts as one adapter, of `rank` at most, where the strategy combines their
    weights; else nothing, and None."""
    merge = merged_adapter(pool, strategy)
    if merge is not None and rank is not None:
        merge = compressed(merge, rank)[0]
    if merge is not None:
        _write(folder, merge, pool.base)
    return merge


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


def _write(folder: Path, adapter: Adapter, base: Base) -> None:
    write_adapter(folder, adapter.tensors, 1.0, base)


def _file_sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
