"""The bank against PEFT's own LoRA layers and against merged weights."""

import copy
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from torch import Tensor

from tests.engine.conftest import AdapterMaker
from training_workers.engine.adapters import (
    PREFIX,
    Adapter,
    AdapterError,
    read_adapter,
    write_adapter,
)
from training_workers.engine.bank import LoraBank, Voice
from training_workers.engine.bases import Base

RANKS = {"red": 4, "blue": 2, "green": 1}
MIXED = ["red", "", "blue", "red", "green", "blue", "red"]


@pytest.fixture
def folders(base: Base, random_adapter: AdapterMaker) -> dict[str, Path]:
    """Experts of three ranks; green has an update for half of the layers only."""
    made = {name: random_adapter(base, name) for name in RANKS}
    for name, folder in made.items():
        whole = read_adapter(folder, base)
        layers = whole.layers[::2] if name == "green" else whole.layers
        tensors = {}
        for layer in layers:
            down, up = f"{PREFIX}{layer}.lora_A.weight", f"{PREFIX}{layer}.lora_B.weight"
            tensors[down] = whole.tensors[down][: RANKS[name]]
            tensors[up] = whole.tensors[up][:, : RANKS[name]]
        write_adapter(folder, tensors, 1.0, base)
    return made


@pytest.fixture
def adapters(base: Base, folders: Mapping[str, Path]) -> dict[str, Adapter]:
    return {name: read_adapter(folder, base) for name, folder in folders.items()}


@pytest.fixture
def bank(base: Base, adapters: Mapping[str, Adapter]) -> LoraBank:
    bank = LoraBank(base)
    for name, adapter in adapters.items():
        bank.add(name, adapter)
    return bank


def rows(base: Base, count: int, tokens: int = 9) -> Tensor:
    draws = torch.Generator().manual_seed(count)
    return torch.randint(1, len(base.tokenizer), (count, tokens), generator=draws)


@torch.inference_mode()
def logits(bank: LoraBank, experts: Sequence[Voice], ids: Tensor) -> Tensor:
    found: Tensor = bank(experts, input_ids=ids).logits
    return found


@torch.inference_mode()
def plain(model: Any, ids: Tensor, **inputs: Any) -> Tensor:
    found: Tensor = model(input_ids=ids, **inputs).logits
    return found


def assert_equal(found: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    "experts",
    [["red"] * 5, ["green"], ["", ""], MIXED, ["red"] * 6 + ["blue"], ["blue", "red", "green"]],
)
def test_each_row_answers_as_in_peft(
    base: Base, folders: Mapping[str, Path], bank: LoraBank, experts: list[str]
) -> None:
    peft: Any = None
    for name, folder in folders.items():
        if peft is None:
            peft = PeftModel.from_pretrained(base.twin(), str(folder), adapter_name=name)
        else:
            peft.load_adapter(str(folder), name)
    ids = rows(base, len(experts))
    names = [name or "__base__" for name in experts]
    expected = plain(peft.eval(), ids, adapter_names=names)
    assert_equal(logits(bank, experts, ids), expected)
    for row, name in enumerate(experts):
        if name:
            assert not torch.allclose(expected[row], plain(base.model, ids)[row], atol=0.1)


def merged(base: Base, adapters: Mapping[str, Adapter], weights: Mapping[str, float]) -> Any:
    """The base with  W + sum_e w_e B_e A_e  in the place of W."""
    model = copy.deepcopy(base.model)
    for name, weight in weights.items():
        for layer in adapters[name].layers:
            down = adapters[name].tensors[f"{PREFIX}{layer}.lora_A.weight"]
            up = adapters[name].tensors[f"{PREFIX}{layer}.lora_B.weight"]
            module = model.get_submodule(layer)
            linear = isinstance(module, torch.nn.Linear)
            module.weight += weight * (up @ down if linear else (up @ down).mT)
    return model


def test_a_mapping_is_the_weighted_sum_of_the_updates(
    base: Base, adapters: Mapping[str, Adapter], bank: LoraBank
) -> None:
    weights = {"red": 0.5, "blue": -0.3, "green": 2.0}
    ids = rows(base, 4)
    expected = plain(merged(base, adapters, weights), ids)
    assert_equal(logits(bank, [weights] * 4, ids), expected)
    voices: list[Voice] = ["red", weights, "", {"blue": 0.7}]
    found = logits(bank, voices, ids)
    assert_equal(found[1], expected[1])
    assert_equal(found[3], plain(merged(base, adapters, {"blue": 0.7}), ids)[3])
    assert_equal(found[0], logits(bank, ["red"], ids[:1])[0])


def test_an_expert_at_weight_one_is_itself_and_at_weight_zero_the_base(
    base: Base, bank: LoraBank
) -> None:
    ids = rows(base, 3)
    one: list[Voice] = [{"red": 1.0, "blue": 0.0}] * 3
    none: list[Voice] = [{"red": 0.0}, {"": 1.0}, {}]
    assert torch.equal(logits(bank, one, ids), logits(bank, ["red"] * 3, ids))
    assert torch.equal(logits(bank, none, ids), plain(base.model, ids))


def test_a_row_depends_on_no_other_in_any_sequence_of_batches(base: Base, bank: LoraBank) -> None:
    voices: list[Voice] = ["red", "blue", "green", "", {"red": 0.4, "green": 0.6}]
    ids = rows(base, 12)
    alone = [torch.stack([logits(bank, [voice], row[None])[0] for row in ids]) for voice in voices]
    draws = random.Random(0)
    for _ in range(15):
        batch = draws.choices(range(12), k=draws.randint(1, 12))
        asked = draws.choices(range(5), weights=[draws.random() for _ in voices], k=len(batch))
        while batch:  # rows finish one after another, as in decoding
            found = logits(bank, [voices[voice] for voice in asked], ids[batch])
            for position, (row, voice) in enumerate(zip(batch, asked, strict=True)):
                assert_equal(found[position], alone[voice][row])
            gone = draws.randrange(len(batch))
            del batch[gone], asked[gone]


def test_a_step_with_a_cache_gives_what_the_whole_text_gives(base: Base, bank: LoraBank) -> None:
    ids = rows(base, len(MIXED))
    whole = logits(bank, MIXED, ids)
    with torch.inference_mode():
        start = bank(MIXED, input_ids=ids[:, :-1], use_cache=True)
        step = bank(MIXED, input_ids=ids[:, -1:], past_key_values=start.past_key_values)
    assert_equal(step.logits[:, 0], whole[:, -1])


def test_an_expert_that_is_gone_or_added_anew(
    base: Base, adapters: Mapping[str, Adapter], bank: LoraBank
) -> None:
    ids = rows(base, len(MIXED))
    before = logits(bank, MIXED, ids)
    bank.add("red", adapters["blue"])
    blue = ["blue" if name == "red" else name for name in MIXED]
    assert torch.equal(logits(bank, MIXED, ids)[0], logits(bank, ["red"] * 7, ids)[0])
    assert_equal(logits(bank, MIXED, ids), logits(bank, blue, ids))
    bank.remove("red")
    bank.remove("red")
    assert bank.names == {"blue", "green"}
    with pytest.raises(KeyError):
        logits(bank, MIXED, ids)
    bank.add("red", adapters["red"])
    assert torch.equal(logits(bank, MIXED, ids), before)


def test_the_base_stays_as_it_was(base: Base, bank: LoraBank) -> None:
    ids = rows(base, 3)
    untouched = plain(copy.deepcopy(base.model), ids)
    for experts in (["red"] * 3, ["", "blue", "green"]):
        logits(bank, experts, ids)
        assert torch.equal(plain(base.model, ids), untouched)
    assert torch.equal(logits(bank, [""] * 3, ids), untouched)


def test_what_cannot_be_held_is_refused(
    base: Base, adapters: Mapping[str, Adapter], bank: LoraBank
) -> None:
    with pytest.raises(AdapterError, match="cannot be called"):
        bank.add("", adapters["red"])
    foreign = {f"{PREFIX}nowhere.lora_{part}.weight": torch.ones(2, 2) for part in "AB"}
    with pytest.raises(AdapterError, match="no linear layer nowhere"):
        bank.add("red", Adapter(2, foreign))
    ids = rows(base, 1)
    assert not torch.equal(logits(bank, ["red"], ids), plain(base.model, ids))
