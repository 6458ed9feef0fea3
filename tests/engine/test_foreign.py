"""Adapters from elsewhere in the house's form, and how alike experts are."""

import json
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file

from tests.engine.conftest import AdapterMaker
from training_workers.engine.adapters import (
    CONFIG,
    PREFIX,
    WEIGHTS,
    Adapter,
    AdapterError,
    adapter_sha256,
    read_adapter,
)
from training_workers.engine.bases import Base
from training_workers.engine.foreign import adopt, targets
from training_workers.engine.similarity import Resemblance
from training_workers.engine.weight_statistics import WeightStatistics, unusual, weight_statistics


def update(adapter: Adapter, layer: str) -> torch.Tensor:
    up, down = adapter.factors(layer)
    return up @ down


@pytest.mark.parametrize("rslora", [False, True])
def test_alpha_and_rslora_are_folded_in(base: Base, tmp_path: Path, rslora: bool) -> None:
    torch.manual_seed(1)
    kind = LoraConfig(
        task_type="CAUSAL_LM", r=4, lora_alpha=6, use_rslora=rslora, target_modules="all-linear",
        init_lora_weights=False,
    )  # fmt: skip
    model = get_peft_model(base.twin(), kind)
    model.save_pretrained(tmp_path / "theirs")
    ids = torch.arange(5)[None]
    with torch.inference_mode():
        expected = model(input_ids=ids).logits

    adapter = adopt(tmp_path / "theirs", base, tmp_path / "ours")

    written = json.loads((tmp_path / "ours" / CONFIG).read_text())
    assert (written["r"], written["lora_alpha"]) == (4, 4)
    again = read_adapter(tmp_path / "ours", base)
    assert all(torch.equal(again.tensors[name], adapter.tensors[name]) for name in adapter.tensors)
    plain = get_peft_model(base.twin(), again.config())
    tensors = {
        name.replace(".weight", ".default.weight"): part for name, part in again.tensors.items()
    }
    assert not plain.load_state_dict(tensors, strict=False).unexpected_keys
    with torch.inference_mode():
        assert torch.allclose(plain(input_ids=ids).logits, expected, atol=1e-4)


def test_what_the_house_trained_keeps_its_hash(
    llama: Base, random_adapter: AdapterMaker, tmp_path: Path
) -> None:
    folder = random_adapter(llama, "one")

    adopt(folder, llama, tmp_path / "ours")

    assert adapter_sha256(tmp_path / "ours") == adapter_sha256(folder)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_becomes_whole(
    llama: Base, random_adapter: AdapterMaker, tmp_path: Path, dtype: torch.dtype
) -> None:
    folder = random_adapter(llama, "one")
    halves = {name: tensor.to(dtype) for name, tensor in load_file(folder / WEIGHTS).items()}
    save_file(halves, folder / WEIGHTS)

    adopt(folder, llama, tmp_path / "ours")

    whole = load_file(tmp_path / "ours" / WEIGHTS)
    assert all(torch.equal(whole[name], half.float()) for name, half in halves.items())


def changed(folder: Path, name: str, tensor: torch.Tensor) -> None:
    """Write `folder` with one more or another tensor, and without the hash of the base."""
    save_file(load_file(folder / WEIGHTS) | {name: tensor}, folder / WEIGHTS)


def test_what_does_not_fit_is_refused(
    llama: Base, random_adapter: AdapterMaker, tmp_path: Path
) -> None:
    name = f"{PREFIX}model.layers.0.self_attn.q_proj.lora_A.weight"
    good = load_file(random_adapter(llama, "good") / WEIGHTS)[name]

    def refusal(kind: str, name: str, tensor: torch.Tensor) -> str:
        folder = random_adapter(llama, kind)
        changed(folder, name, tensor)
        with pytest.raises(AdapterError) as refused:
            adopt(folder, llama, tmp_path / f"{kind}-out")
        assert not (tmp_path / f"{kind}-out").exists()
        return str(refused.value)

    hurt = good.clone()
    hurt[1, 2] = float("nan")
    assert "not finite" in refusal("nan", name, hurt)
    hurt[1, 2] = float("inf")
    assert "not finite" in refusal("inf", name, hurt)
    assert "has shape (4, 31)" in refusal("narrow", name, good[:, :31].contiguous())
    assert "has shape (3, 32)" in refusal("low", name, good[:3].contiguous())
    elsewhere = name.replace("layers.0", "layers.9")
    assert "no layer for" in refusal("deep", elsewhere, good)
    assert "not a weight of a plain LoRA" in refusal("dora", name.replace("_A", "_magnitude"), good)


@pytest.mark.parametrize("layer", ["lm_head", "model.embed_tokens"])
def test_the_vocabulary_is_no_target(llama: Base, tmp_path: Path, layer: str) -> None:
    assert layer not in targets(llama)
    down, up = (2, 32), (2112, 2)
    if layer == "model.embed_tokens":
        down, up = (2, 2112), (32, 2)
    tensors = {
        f"{PREFIX}{layer}.lora_A.weight": torch.ones(down),
        f"{PREFIX}{layer}.lora_B.weight": torch.ones(up),
    }
    save_file(tensors, tmp_path / WEIGHTS)
    (tmp_path / CONFIG).write_text('{"peft_type": "LORA", "r": 2, "lora_alpha": 2}')
    with pytest.raises(AdapterError, match=r"no layer"):
        adopt(tmp_path, llama, tmp_path / "out")


@pytest.mark.parametrize(("number", "says"), [(0.0, "changes nothing"), (3e38, "not finite")])
def test_an_update_of_nothing_or_too_much(
    llama: Base, random_adapter: AdapterMaker, tmp_path: Path, number: float, says: str
) -> None:
    folder = random_adapter(llama, "one")
    tensors = {
        name: torch.full_like(part, number) for name, part in load_file(folder / WEIGHTS).items()
    }
    save_file(tensors, folder / WEIGHTS)
    written = json.loads((folder / CONFIG).read_text()) | {"lora_alpha": 40}
    (folder / CONFIG).write_text(json.dumps(written))
    with pytest.raises(AdapterError, match=says):
        adopt(folder, llama, tmp_path / "out")


def drawn(seed: int, rank: int = 3, layers: int = 2) -> Adapter:
    """A random adapter on layers of 9 outputs and 7 inputs."""
    draws = torch.Generator().manual_seed(seed)
    tensors = {}
    for layer in range(layers):
        tensors[f"{PREFIX}l{layer}.lora_A.weight"] = torch.randn((rank, 7), generator=draws)
        tensors[f"{PREFIX}l{layer}.lora_B.weight"] = torch.randn((9, rank), generator=draws)
    return Adapter(rank, tensors)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 99), st.integers(100, 199), st.integers(1, 4), st.integers(1, 4))
def test_the_cosine_is_that_of_the_updates_themselves(
    seed: int, other_seed: int, rank: int, other_rank: int
) -> None:
    one, other = drawn(seed, rank), drawn(other_seed, other_rank, layers=3)
    flat = [
        torch.cat([update(a, f"l{n}").flatten() if f"l{n}" in a.layers else torch.zeros(63)
                   for n in range(3)])
        for a in (one, other)
    ]  # fmt: skip
    expected = float(torch.nn.functional.cosine_similarity(flat[0], flat[1], dim=0))

    assert Resemblance(one).to(other).cosine == pytest.approx(expected, abs=1e-6)
    assert Resemblance(other).to(one).cosine == pytest.approx(expected, abs=1e-6)
    assert Resemblance(one).to(other).subspace == pytest.approx(Resemblance(other).to(one).subspace)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 99), st.floats(0.01, 100))
def test_a_copy_is_known_however_it_is_disguised(seed: int, scale: float) -> None:
    original = drawn(seed)
    turn = torch.randn((3, 3), generator=torch.Generator().manual_seed(seed)) + 2 * torch.eye(3)
    disguised, reweighed = {}, {}
    for name, part in original.tensors.items():
        first = ".lora_A." in name
        disguised[name] = turn @ part if first else scale * part @ torch.linalg.inv(turn)
        reweighed[name] = part if first else part * torch.tensor([5.0, -1.0, 0.2])

    found = Resemblance(original).to(Adapter(3, disguised))
    assert found.cosine == pytest.approx(1, abs=1e-3)
    assert found.subspace == pytest.approx(1, abs=1e-3)
    assert Resemblance(original).to(Adapter(3, reweighed)).subspace == pytest.approx(1)


def test_strangers_share_no_more_than_chance() -> None:
    excess = [Resemblance(drawn(seed)).to(drawn(seed + 500)).subspace for seed in range(200)]
    assert abs(sum(excess) / len(excess)) < 0.05


def test_statistics_are_those_of_the_updates_themselves(
    base: Base, random_adapter: AdapterMaker
) -> None:
    adapter = read_adapter(random_adapter(base, "one"), base)
    found = weight_statistics(adapter, base)
    updates = {layer: update(adapter, layer) for layer in adapter.layers}
    energies = {layer: float(dense.square().sum()) for layer, dense in updates.items()}
    tops = [float(torch.linalg.svdvals(dense)[0]) for dense in updates.values()]
    modules = dict(base.model.named_modules())
    frozen = sum(float(modules[layer].weight.double().square().sum()) for layer in updates)
    total = sum(energies.values())
    assert found.size == pytest.approx((total / frozen) ** 0.5)
    assert found.spectral == pytest.approx(max(tops))
    assert found.concentration == pytest.approx(sum(top**2 for top in tops) / total)
    assert found.busiest_share == pytest.approx(max(energies.values()) / total)
    assert energies[found.busiest] == max(energies.values())
    assert found.layers == len(updates)


def test_what_stands_out_is_told_with_its_number() -> None:
    usual = WeightStatistics(0.2, 10.0, 0.5, "layer 2", 0.1, 28)
    others = [usual.to_dict() | {"size": 0.2 + 0.01 * n} for n in range(6)]
    assert unusual(usual, others) == []
    edited = WeightStatistics(2.5, 10.0, 0.97, "layer 2", 0.95, 28)
    alone, *compared = unusual(edited, others)
    assert "2.5 times as large as the weights" in alone
    assert "97%" in compared[0] and "one direction" in compared[0]
    assert "(layer 2) is 0.95; the 6 other experts have 0.1" in compared[-1]
    # Too few others say nothing of what is usual.
    assert len(unusual(edited, others[:4])) == 2
