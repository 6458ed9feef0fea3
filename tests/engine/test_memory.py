"""Training where memory is short: fewer rows at a time, activations computed twice, weights spread
over devices; and what only a GPU can show."""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate import dispatch_model
from hypothesis import given
from hypothesis import strategies as st

from tests.engine.conftest import save_llama
from training_workers.engine.base_facts import POCKET
from training_workers.engine.bases import Base, load_base, needs_several
from training_workers.engine.batching import micro_batches
from training_workers.engine.data import Encoded, Example
from training_workers.engine.training import Progress, Recipe, Trained, TrainingError, train_adapter

RECIPE = Recipe(rank=4, alpha=8, batch_size=6, passes=3)
ROOT = Path(__file__).parents[2]
GIB = 2**30


def train(base: Base, examples: list[Example], out: Path, **more: Any) -> Trained:
    return train_adapter(
        base,
        examples,
        more.pop("recipe", RECIPE),
        out=out / "out",
        work=out / "work",
        on_progress=more.pop("on_progress", lambda progress: None),
        should_stop=lambda: False,
        **more,
    )


def in_a_process_of(mib: int, source: Path, out: Path) -> dict[str, Any]:
    program = [sys.executable, "-m", "tests.engine.short_of_memory", str(source), str(out)]
    done = subprocess.run(
        [*program, str(mib)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits the address space")
def test_where_the_memory_runs_out_fewer_rows_are_read_at_a_time_and_as_much_is_learnt(
    tmp_path: Path,
) -> None:
    source = save_llama(tmp_path / "base")
    enough = in_a_process_of(0, source, tmp_path / "enough")
    short = in_a_process_of(60, source, tmp_path / "short")

    assert enough["told"] == []
    told = short["told"]
    assert told and told == [64 // 2**number for number in range(len(told))]
    for (step, loss), (same_step, other) in zip(enough["losses"], short["losses"], strict=True):
        assert step == same_step
        assert loss == pytest.approx(other, rel=1e-4)


def test_a_single_row_that_does_not_fit_is_told_in_words(
    llama: Base, examples: list[Example], tmp_path: Path
) -> None:
    """A GPU's error, raised by a real layer: no machine here has one."""
    broken = Base(**{**vars(llama), "model": llama.twin()})
    told: list[int] = []

    def no_room(*_: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    broken.model.model.norm.register_forward_pre_hook(no_room)

    with pytest.raises(TrainingError, match=r"does not hold a single row of \d+ tokens"):
        train(broken, examples, tmp_path, on_less_memory=told.append)
    assert told == [1]


@given(
    st.lists(st.tuples(st.integers(2, 40), st.integers(1, 2)), min_size=1, max_size=50),
    st.integers(1, 60),
)
def test_the_parts_of_a_batch_are_the_batch(rows: list[tuple[int, int]], most: int) -> None:
    batch = [Encoded([number] * length, answer) for number, (length, answer) in enumerate(rows)]
    parts = list(micro_batches(batch, most))

    assert sorted(one.ids[0] for part, _ in parts for one in part) == list(range(len(batch)))
    assert sum(share for _, share in parts) == pytest.approx(1)
    assert all(len(part) <= most for part, _ in parts)
    lengths = [len(one.ids) for part, _ in parts for one in part]
    assert lengths == sorted(lengths)


def test_activations_computed_twice_give_the_same_adapter(
    base: Base, examples: list[Example], tmp_path: Path
) -> None:
    layers = next(m for m in base.model.modules() if isinstance(m, torch.nn.ModuleList))
    inner = next(m for m in layers[0].modules() if type(m).__name__.endswith(("MLP", "Attention")))
    calls: Counter[str] = Counter()
    kind = type(inner)
    forward = kind.forward

    def counted(self: Any, *args: Any, **kwargs: Any) -> Any:
        calls[name] += 1
        return forward(self, *args, **kwargs)

    kind.forward = counted
    try:
        name = "once"
        once = train(base, examples, tmp_path / "once", checkpointing=False)
        name = "twice"
        twice = train(base, examples, tmp_path / "twice", checkpointing=True)
    finally:
        kind.forward = forward

    assert calls["twice"] == 2 * calls["once"] > 0
    assert dict(twice.losses) == pytest.approx(dict(once.losses))


def test_a_base_spread_by_accelerate_trains_as_a_whole_one(
    llama: Base, examples: list[Example], tmp_path: Path
) -> None:
    """Its hooks move what layers need from device to device; here all of them are the CPU."""
    whole = train(llama, examples, tmp_path / "whole")
    spread = load_base(llama.source, device="cpu")
    layers = {f"model.layers.{number}": "cpu" for number in range(2)}
    others = dict.fromkeys(["model.embed_tokens", "model.norm", "model.rotary_emb"], "cpu")
    dispatch_model(
        spread.model,
        {**layers, **others, "lm_head": "cpu"},
        main_device="cpu",
        force_hooks=True,
    )
    assert hasattr(spread.model.model.layers[0], "_hf_hook")

    trained = train(spread, examples, tmp_path / "spread")

    assert trained.losses == whole.losses
    assert trained.sha256 == whole.sha256


@pytest.mark.parametrize(
    ("weights", "free", "several"),
    [
        (1 * GIB, [], False),
        (50 * GIB, [24 * GIB], False),
        (10 * GIB, [24 * GIB, 24 * GIB], False),
        (16 * GIB, [24 * GIB, 24 * GIB], True),
    ],
)
def test_a_base_is_spread_where_one_of_several_gpus_has_no_room(
    weights: int, free: list[int], several: bool
) -> None:
    assert needs_several(weights, free) is several


NO_GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here")


@pytest.mark.gpu
@NO_GPU
def test_on_a_gpu_a_base_is_in_bf16_and_training_tells_its_device_and_memory(
    examples: list[Example], tmp_path: Path
) -> None:
    base = load_base(str(POCKET))
    assert base.device.type == "cuda"
    if torch.cuda.is_bf16_supported():
        assert next(base.model.parameters()).dtype == torch.bfloat16
    seen: list[Progress] = []
    utilisation: list[float] = []

    def look(progress: Progress) -> None:
        seen.append(progress)
        if progress.step % 20 == 0:
            asked = ["nvidia-smi", "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits"]
            said = subprocess.run(asked, capture_output=True, text=True, check=True).stdout
            utilisation.append(float(said.split()[0]))

    trained = train(base, examples * 20, tmp_path, on_progress=look)

    assert trained.losses[-1][1] < trained.losses[0][1]
    assert seen[-1].device == torch.cuda.get_device_name(0)
    assert 0 < seen[-1].memory_mib < torch.cuda.get_device_properties(0).total_memory / 2**20
    print(
        f"{seen[-1].device}: {seen[-1].tokens_per_second:,.0f} tokens/s, peak "
        f"{seen[-1].memory_mib:,.0f} MiB, utilisation {max(utilisation):.0f} % at most"
    )


@pytest.mark.gpu
@NO_GPU
def test_on_a_gpu_that_is_full_fewer_rows_are_read_at_a_time(
    tmp_path: Path, examples: list[Example]
) -> None:
    base = load_base(str(save_llama(tmp_path / "base")))
    total = torch.cuda.get_device_properties(0).total_memory
    told: list[int] = []
    rows = [Example(f"tell of ball {n}", " ".join(["red"] * 60)) for n in range(1024)]
    used = torch.cuda.memory_allocated()
    torch.cuda.set_per_process_memory_fraction((used + 200 * 2**20) / total)
    try:
        train(
            base, rows, tmp_path, on_less_memory=told.append,
            recipe=Recipe(rank=4, alpha=8, batch_size=1024, passes=1, max_tokens=None),
        )  # fmt: skip
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert told
