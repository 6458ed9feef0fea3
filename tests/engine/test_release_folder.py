"""A release as a folder: others can load it, and nobody can change it unseen."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from huggingface_hub import ModelCard
from peft import PeftModel
from transformers import AutoModelForCausalLM

from tests.engine.conftest import AdapterMaker
from tests.engine.plain import ask
from training_workers.engine.adapters import read_adapter, write_adapter
from training_workers.engine.bases import Base, load_base
from training_workers.engine.devtable import DevTable
from training_workers.engine.pool import ExpertPool, Prompt, Sampling
from training_workers.engine.release_folder import read_release, write_release
from training_workers.engine.release_manifest import (
    MANIFEST,
    About,
    ReleaseError,
    base_of,
    read_manifest,
)
from training_workers.engine.routing import Router
from training_workers.engine.strategies import Strategy
from training_workers.engine.strategies.best_single import BestSingle
from training_workers.engine.strategies.mixture import Mixture
from training_workers.engine.strategies.nearest import Nearest
from training_workers.engine.strategies.soup import Soup
from training_workers.engine.strategies.strategy import answer
from training_workers.engine.strategies.ties import Ties

TEXTS = ["what colour is the sky?", "how many legs has a cat", "hi", "ünï ☃"]
SAMPLING = Sampling(max_new_tokens=8)
NAMES = ["blue", "red"]
TABLE = DevTable(
    ["what colour is the ball", "the colour of the sea", "how many legs", "many cats"],
    ["seen", "seen", "counted", "counted"],
    {
        "": [False, False, False, True],
        "blue": [True, True, False, False],
        "red": [False, False, True, True],
    },
)
WEIGHTS = {"blue": 0.7, "red": 0.4}
STRATEGIES: list[Strategy] = [
    BestSingle({"": 0.1, "blue": 0.5, "red": 0.3}),
    Nearest(Router(TABLE, k=2)),
    Mixture(Router(TABLE, k=2, temperature=0.5)),
    Soup(WEIGHTS),
    Ties(WEIGHTS, 0.5),
]


def pool_of(base: Base, make: AdapterMaker, names: list[str]) -> ExpertPool:
    pool = ExpertPool(base)
    for number, name in enumerate(names):
        pool.add(name, make(base, f"expert{number}"))
    return pool


def plainly(base: Base, folder: Path) -> list[str]:
    """Greedy answers by transformers and peft alone."""
    plain = AutoModelForCausalLM.from_pretrained(base.source)
    model = PeftModel.from_pretrained(plain, str(folder)).eval()
    return [ask(base, model, text, SAMPLING.max_new_tokens).text for text in TEXTS]


def test_peft_loads_each_expert_without_us(
    base: Base, random_adapter: AdapterMaker, tmp_path: Path
) -> None:
    pool = pool_of(base, random_adapter, NAMES)
    manifest = write_release(tmp_path / "release", pool, STRATEGIES[0])
    assert [expert["name"] for expert in manifest.experts] == NAMES
    for expert in manifest.experts:
        asked = [Prompt(text, expert["name"]) for text in TEXTS]
        found = plainly(base, tmp_path / "release" / expert["folder"])
        assert found == pool.generate(asked, SAMPLING)
        assert found != pool.generate([Prompt(text, None) for text in TEXTS], SAMPLING)


@pytest.mark.parametrize("strategy", [Soup(WEIGHTS), Ties(WEIGHTS, 0.5), Ties({"blue": 1.0}, 0.5)])
def test_peft_loads_the_merge_without_us(
    strategy: Strategy, base: Base, random_adapter: AdapterMaker, tmp_path: Path
) -> None:
    pool = pool_of(base, random_adapter, NAMES)
    write_release(tmp_path / "release", pool, strategy)
    answers = answer(strategy, pool, TEXTS, SAMPLING)
    assert plainly(base, tmp_path / "release" / "merged") == [one.text for one in answers]


def test_an_adapter_names_its_base_as_the_hub_does(
    llama: Base, random_adapter: AdapterMaker, tmp_path: Path
) -> None:
    for source, name in (
        ("someone/base-1", "someone/base-1"),
        (llama.source, Path(llama.source).name),
    ):
        adapter = read_adapter(random_adapter(llama, "blue"), llama)
        write_adapter(tmp_path / "one", adapter.tensors, 1.0, replace(llama, source=source))
        config = json.loads((tmp_path / "one" / "adapter_config.json").read_text())
        assert config["base_model_name_or_path"] == name


def test_a_merge_can_be_made_small(
    llama: Base, random_adapter: AdapterMaker, tmp_path: Path
) -> None:
    pool = pool_of(llama, random_adapter, NAMES)
    write_release(tmp_path / "full", pool, Soup(WEIGHTS))
    write_release(tmp_path / "small", pool, Soup(WEIGHTS), merged_rank=3)
    assert read_adapter(tmp_path / "full" / "merged", llama).rank == 8
    assert read_adapter(tmp_path / "small" / "merged", llama).rank == 3


@pytest.mark.parametrize("strategy", STRATEGIES, ids=lambda one: one.name)
def test_what_is_read_answers_as_what_was_written(
    strategy: Strategy, llama: Base, random_adapter: AdapterMaker, tmp_path: Path
) -> None:
    pool = pool_of(llama, random_adapter, NAMES)
    write_release(tmp_path / "release", pool, strategy)
    assert (tmp_path / "release" / "merged").exists() == (strategy.level == "weight")
    again, same = read_release(tmp_path / "release", load_base(base_of(tmp_path / "release")))
    assert same == strategy
    assert answer(same, again, TEXTS, SAMPLING) == answer(strategy, pool, TEXTS, SAMPLING)


def test_any_name_finds_a_folder_of_its_own(
    llama: Base, random_adapter: AdapterMaker, tmp_path: Path
) -> None:
    names = ["../../up", "/", "☃", "Sea salt", "sea/salt", "sea-salt-2", "x" * 300]
    pool = pool_of(llama, random_adapter, names)
    manifest = write_release(tmp_path / "release", pool, BestSingle({"": 0.0, "☃": 1.0}))
    folders = [expert["folder"].casefold() for expert in manifest.experts]
    assert len(set(folders)) == len(names)
    inside = (tmp_path / "release" / "experts").resolve()
    assert {(tmp_path / "release" / one).resolve().parent for one in folders} == {inside}
    again, _ = read_release(tmp_path / "release", llama)
    assert again.names == set(names)


def test_the_card_is_one_that_the_hub_reads(
    llama: Base, random_adapter: AdapterMaker, tmp_path: Path
) -> None:
    about = {"blue": About(owner="Ada | Ben", licence="CC-BY-4.0")}
    pool = pool_of(llama, random_adapter, NAMES)
    manifest = write_release(tmp_path / "release", pool, STRATEGIES[0], about=about, why="So.")
    assert manifest.experts[0] | about["blue"].__dict__ == manifest.experts[0]
    card = ModelCard.load(tmp_path / "release" / "README.md")
    assert card.data.base_model == Path(llama.source).name
    assert card.data.library_name == "peft"
    assert card.data.tags == ["lora", "mosaic"]
    assert "| blue | Ada \\| Ben | CC-BY-4.0 | experts/blue |" in card.text
    assert "| red |  |  | experts/red |" in card.text


def test_nothing_can_be_changed_unseen(
    llama: Base, random_adapter: AdapterMaker, tmp_path: Path
) -> None:
    folder = tmp_path / "release"
    write_release(folder, pool_of(llama, random_adapter, NAMES), Soup(WEIGHTS))
    for file, what in {
        "experts/blue/adapter_config.json": "expert blue",
        "experts/red/adapter_model.safetensors": "expert red",
        "strategy/strategy.json": "strategy",
        "merged/adapter_model.safetensors": "merged",
    }.items():
        kept = (folder / file).read_bytes()
        (folder / file).write_bytes(kept + b" ")
        with pytest.raises(ReleaseError, match=f"The {what}.* is not the one"):
            read_release(folder, llama)
        (folder / file).unlink()
        with pytest.raises(ReleaseError, match=f"not whole: .*{Path(file).name} is missing"):
            read_release(folder, llama)
        (folder / file).write_bytes(kept)
    assert read_release(folder, llama)[0].names == set(NAMES)


def test_what_is_no_release_is_refused(
    llama: Base, gpt2: Base, random_adapter: AdapterMaker, tmp_path: Path
) -> None:
    folder = tmp_path / "release"
    with pytest.raises(ReleaseError, match=f"no {MANIFEST}"):
        read_manifest(folder)
    with pytest.raises(ReleaseError, match="needs an expert"):
        write_release(folder, ExpertPool(llama), STRATEGIES[0])
    pool = pool_of(llama, random_adapter, NAMES)
    with pytest.raises(ReleaseError, match="no expert 'pink'"):
        write_release(folder, pool, STRATEGIES[0], about={"pink": About()})
    write_release(folder, pool, STRATEGIES[0])
    with pytest.raises(ReleaseError, match="not an empty folder"):
        write_release(folder, pool, STRATEGIES[0])
    with pytest.raises(ReleaseError, match="another base"):
        read_release(folder, gpt2)
    content = json.loads((folder / MANIFEST).read_text())
    outside = [{**content["experts"][0], "folder": "experts/../../elsewhere"}]
    for changed, why in (
        ({**content, "experts": outside}, "outside"),
        ({**content, "format": 2}, "format"),
        ({**content, "more": 1}, "damaged"),
        ([], "damaged"),
    ):
        (folder / MANIFEST).write_text(json.dumps(changed))
        with pytest.raises(ReleaseError, match=why):
            read_manifest(folder)
