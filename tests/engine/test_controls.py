from pathlib import Path

import pytest
import torch

from tests.engine.conftest import AdapterMaker
from training_workers.engine.adapters import read_adapter
from training_workers.engine.bases import Base
from training_workers.engine.controls import Contribution, Trainer
from training_workers.engine.data import Example
from training_workers.engine.training import Recipe, TrainingError, train_adapter


def contribution(name: str, colour: str, tokens: int = 600) -> Contribution:
    rows = [Example(f"what colour is {name} number {n}?", colour) for n in range(12)]
    return Contribution(name, rows, tokens, rank=4)


TWO = [contribution("ball", "red"), contribution("car", "blue")]


def test_the_pooled_monolith_reads_all_data_with_all_tokens(llama: Base, tmp_path: Path) -> None:
    seen: list[str] = []
    trainer = Trainer(llama, tmp_path, watch=lambda name, progress: seen.append(name))
    pooled, wide = trainer.pooled(TWO), trainer.pooled(TWO, wide=True)
    assert read_adapter(trainer.folder("monolith"), llama).rank == 4
    assert read_adapter(trainer.folder("monolith_wide"), llama).rank == 8
    for trained in (pooled, wide):
        # A batch more or less, and what prompt dropout leaves out.
        assert 0.7 * 1200 < trained.tokens < 1.3 * 1200
    assert set(seen) == {"monolith", "monolith_wide"}
    assert trainer.pooled(TWO).sha256 == pooled.sha256


def test_the_sequential_monolith_goes_on_from_contribution_to_contribution(
    llama: Base, tmp_path: Path
) -> None:
    forth = Trainer(llama, tmp_path / "forth").sequential(TWO)
    back = Trainer(llama, tmp_path / "back").sequential(TWO[::-1])
    alone = Trainer(llama, tmp_path / "alone").sequential(TWO[1:])
    assert len({forth.sha256, back.sha256, alone.sha256}) == 3
    assert forth.tokens > 1.5 * alone.tokens
    assert (tmp_path / "forth" / "sequential-0").is_dir()


def test_training_goes_on_from_an_adapter(
    llama: Base, random_adapter: AdapterMaker, tmp_path: Path
) -> None:
    """With next to no learning rate what comes out is what went in."""
    begun = random_adapter(llama, "begun")
    recipe = Recipe(rank=4, alpha=8, learning_rate=1e-9, batch_size=6, passes=1)

    def go_on(recipe: Recipe, folder: str) -> Path:
        train_adapter(
            llama,
            TWO[0].examples,
            recipe,
            out=tmp_path / folder,
            work=tmp_path / "work",
            on_progress=lambda progress: None,
            should_stop=lambda: False,
            start=begun,
        )
        return tmp_path / folder

    before = read_adapter(begun, llama).tensors
    after = read_adapter(go_on(recipe, "same"), llama).tensors
    assert before.keys() <= after.keys()
    assert all(torch.allclose(before[name], after[name], atol=1e-5) for name in before)
    with pytest.raises(TrainingError, match="rank 4"):
        go_on(Recipe(rank=8, alpha=8, batch_size=6, passes=1), "other")
