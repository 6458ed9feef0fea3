import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from training_workers.engine.adapters import adapter_sha256
from training_workers.engine.bases import Base
from training_workers.engine.batching import pace, planned_batches, planned_steps
from training_workers.engine.checkpoints import FILE
from training_workers.engine.data import Encoded, Example, encode_example, read_examples
from training_workers.engine.training import (
    Cancelled,
    Progress,
    Recipe,
    Trained,
    TrainingError,
    train_adapter,
)

RECIPE = Recipe(rank=4, alpha=8, batch_size=6, passes=3)


class Killed(Exception):
    """Stands for a worker that dies."""


def train(
    base: Base,
    examples: list[Example],
    folder: Path,
    recipe: Recipe = RECIPE,
    on_progress: Callable[[Progress], None] = lambda progress: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Trained:
    return train_adapter(
        base,
        examples,
        recipe,
        out=folder / "out",
        work=folder / "work",
        on_progress=on_progress,
        should_stop=should_stop,
        checkpoint_every_seconds=0.0,
    )


def test_training_learns_and_leaves_the_base_alone(
    base: Base, examples: list[Example], tmp_path: Path
) -> None:
    before = {name: tensor.clone() for name, tensor in base.model.state_dict().items()}
    trained = train(base, examples, tmp_path, Recipe(rank=4, alpha=8, batch_size=6, passes=15))
    assert trained.losses[-1][1] < trained.losses[0][1]
    after = base.model.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_a_killed_run_goes_on_as_if_nothing_had_happened(
    base: Base, examples: list[Example], tmp_path: Path
) -> None:
    unbroken = train(base, examples, tmp_path / "unbroken")

    def die(progress: Progress) -> None:
        if progress.step == 5:
            raise Killed

    with pytest.raises(Killed):
        train(base, examples, tmp_path / "broken", on_progress=die)
    seen: list[int] = []
    resumed = train(base, examples, tmp_path / "broken", on_progress=lambda p: seen.append(p.step))
    assert seen[0] == 6
    assert resumed.losses == unbroken.losses
    assert resumed.tokens == unbroken.tokens
    assert resumed.sha256 == unbroken.sha256 == adapter_sha256(tmp_path / "broken" / "out")


def test_a_checkpoint_of_other_data_or_a_damaged_one_is_not_used(
    llama: Base, examples: list[Example], tmp_path: Path
) -> None:
    def die(progress: Progress) -> None:
        if progress.step == 5:
            raise Killed

    fresh = train(llama, examples[:12], tmp_path / "fresh")
    with pytest.raises(Killed):
        train(llama, examples, tmp_path / "other", on_progress=die)
    assert train(llama, examples[:12], tmp_path / "other").losses == fresh.losses
    (tmp_path / "damaged" / "work").mkdir(parents=True)
    (tmp_path / "damaged" / "work" / FILE).write_bytes(b"torn")
    assert train(llama, examples[:12], tmp_path / "damaged").losses == fresh.losses


def test_cancel_stops_before_the_next_step(
    llama: Base, examples: list[Example], tmp_path: Path
) -> None:
    seen: list[int] = []
    with pytest.raises(Cancelled):
        train(
            llama,
            examples,
            tmp_path,
            on_progress=lambda p: seen.append(p.step),
            should_stop=lambda: len(seen) == 2,
        )
    assert seen == [1, 2]
    assert not (tmp_path / "out").exists()


def test_a_loss_that_is_no_number_is_an_error(
    tmp_path: Path, llama: Base, examples: list[Example]
) -> None:
    broken = Base(**{**vars(llama), "model": llama.twin()})
    broken.model.model.norm.weight = torch.nn.Parameter(
        torch.full_like(llama.model.model.norm.weight, torch.nan), requires_grad=False
    )
    with pytest.raises(TrainingError, match="no longer a number at step 1"):
        train(broken, examples, tmp_path)


def test_no_examples_is_an_error(llama: Base, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="no examples"):
        train(llama, [], tmp_path)


def test_progress_counts_tokens_without_padding(
    llama: Base, examples: list[Example], tmp_path: Path
) -> None:
    seen: list[Progress] = []
    recipe = Recipe(rank=4, alpha=8, batch_size=6, passes=3, prompt_dropout=0.0)
    trained = train(llama, examples, tmp_path, recipe, on_progress=seen.append)
    a_pass = sum(len(encode_example(llama.tokenizer, one, 96).ids) for one in examples)
    assert trained.tokens == seen[-1].tokens == 3 * a_pass
    assert [one.step for one in seen] == list(range(1, trained.steps + 1))
    assert seen[-1].seconds_left == 0


def test_the_written_adapter_has_scaling_one(
    llama: Base, examples: list[Example], tmp_path: Path
) -> None:
    train(llama, examples, tmp_path)
    config = json.loads((tmp_path / "out" / "adapter_config.json").read_text())
    assert config["lora_alpha"] == config["r"] == 4
    assert not list((tmp_path / "out").glob("*.tmp"))


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"rank": 0}, "rank must be between"),
        ({"learning_rate": 1.0}, "learning_rate must be"),
        ({"passes": "3"}, "passes must be a whole number"),
        ({"passes": 2.5}, "passes must be a whole number"),
        ({"seed": True}, "seed must be a whole number"),
        ({"prompt_dropout": 0.9}, "prompt_dropout must be between"),
        ({"learning_rate": "fast"}, "learning_rate must be a number"),
        ({"max_tokens": 0}, "max_tokens must be"),
        ({"epochs": 3}, "no epochs"),
    ],
)
def test_a_bad_recipe_is_refused(values: dict[str, object], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        Recipe.from_dict(values)


def test_a_recipe_survives_json() -> None:
    recipe = Recipe(rank=8, max_tokens=None, learning_rate=0.01)
    assert Recipe.from_dict(json.loads(json.dumps(recipe.to_dict()))) == recipe


ROWS = st.lists(st.integers(2, 30), min_size=1, max_size=60)


@given(ROWS, st.integers(1, 20), st.integers(1, 9), st.integers(1, 500))
def test_every_pass_reads_every_row_once(
    lengths: list[int], batch_size: int, passes: int, seed: int
) -> None:
    rows = [Encoded([number] * length, 1) for number, length in enumerate(lengths)]
    steps = planned_steps(rows, batch_size, passes, None)
    batches = list(planned_batches(rows, batch_size, steps, seed))
    assert len(batches) == steps
    read = [one.ids[0] for batch in batches for one in batch]
    assert sorted(read) == sorted(list(range(len(rows))) * passes)


def test_dropout_leaves_out_tokens_of_the_prompt_only() -> None:
    row = Encoded([1] * 1000 + [7, 8, 9], 2)
    (batch,) = planned_batches([row], 1, 1, seed=0, dropout=0.1)
    assert batch[0].ids[-3:] == [7, 8, 9]
    assert 860 < len(batch[0].ids) < 940


@given(ROWS, st.integers(1, 20), st.integers(1, 9), st.integers(1, 5000))
def test_the_budget_caps_the_passes_but_for_the_first(
    lengths: list[int], batch_size: int, passes: int, budget: int
) -> None:
    rows = [Encoded([0] * length, 1) for length in lengths]
    a_pass = planned_steps(rows, batch_size, 1, None)
    steps = planned_steps(rows, batch_size, passes, budget)
    assert a_pass <= steps <= a_pass * passes
    if steps > a_pass:
        assert (steps - 0.5) * sum(lengths) <= budget * a_pass


@given(st.integers(1, 2000))
def test_the_pace_rises_to_one_and_falls(steps: int) -> None:
    paces = [pace(step, steps) for step in range(1, steps + 1)]
    peak = paces.index(max(paces))
    assert all(0 < one <= 1 for one in paces)
    assert paces[: peak + 1] == sorted(paces[: peak + 1])
    assert paces[peak:] == sorted(paces[peak:], reverse=True)


def test_a_long_prompt_gives_way_to_its_completion(llama: Base) -> None:
    encoded = encode_example(llama.tokenizer, Example("word " * 500, "the answer"), 40)
    assert len(encoded.ids) == 40
    assert encoded.ids[-1] == llama.tokenizer.eos_token_id
    text = llama.tokenizer.decode(encoded.ids[-encoded.answer_length : -1])
    assert text.strip() == "the answer"


def test_reading_names_the_bad_line(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"prompt": "a", "completion": "b"}\n\n{"prompt": 1, "completion": "b"}\n')
    with pytest.raises(ValueError, match="Line 3"):
        read_examples(path)
    path.write_text('{"prompt": "a", "completion": "b"}\n[]\n')
    with pytest.raises(ValueError, match="Line 2"):
        read_examples(path)
    path.write_text('{"prompt": "a", "completion": "b"}\n')
    assert read_examples(path) == [Example("a", "b")]
