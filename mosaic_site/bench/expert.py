"""`expert`: one expert with the default recipe on one thread, and what it has learnt."""

import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from contributions.intake import check
from mosaic_site.bench.measurement import Measurement, NotMeasured
from mosaic_site.bench.rows import Rows, make_rows
from mosaic_site.rehearsal.folder import read_folder
from training_workers.engine.base_facts import POCKET
from training_workers.engine.bases import load_base
from training_workers.engine.data import Example, read_examples
from training_workers.engine.features import Lexical, similarities
from training_workers.engine.neighbours import nearest
from training_workers.engine.pool import ExpertPool, Prompt, Sampling
from training_workers.engine.resampling import wilson
from training_workers.engine.scoring import exact_match
from training_workers.engine.training import Progress, Recipe, Trained, train_adapter

TRAIN, HELD_OUT, SEED = 1_500, 450, 7
GOAL_SECONDS = 60
NEW_TOKENS = 24
FEW = 150


def _brought(data: Path, scratch: Path) -> tuple[str, Rows]:
    """The rows of `data`: a `<name>.train.*` file, or a folder, of which the first name counts."""
    folder = data if data.is_dir() else data.parent
    for brought in read_folder(folder, scratch, SEED):
        if data.is_dir() or data.name.startswith(f"{brought.name}.train."):
            rows = scratch / "rows.jsonl"
            check(brought.file, rows_out=rows, filename=brought.file.name)
            sealed = [probe for probe in brought.probes if probe.part == "sealed"]
            held_out = [Example(probe.prompt, probe.answer) for probe in sealed]
            return brought.name, Rows(read_examples(rows), held_out)
    raise NotMeasured(f"{data} is no <name>.train.* file.")


def _by_words(rows: Rows) -> list[str]:
    """The completion of the most similar training row, for each held-out row."""
    prompts = [row.prompt for row in rows.train]
    features = Lexical(prompts)
    asked = features.of([row.prompt for row in rows.held_out])
    columns, _ = nearest(similarities(asked, features.of(prompts)), 1)
    return [rows.train[column].completion for column in columns[:, 0]]


def _right(answers: Sequence[str], rows: Rows) -> int:
    return sum(
        exact_match(answer, row.completion)
        for answer, row in zip(answers, rows.held_out, strict=True)
    )


def measure(data: Path | None, say: Callable[[str], None]) -> list[Measurement]:
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        name, rows = (
            _brought(data, scratch) if data else ("generated", make_rows(TRAIN, HELD_OUT, SEED))
        )
        say(f"training on {len(rows.train):,} rows ({name})")

        def train(examples: Sequence[Example], recipe: Recipe, out: str) -> tuple[Trained, float]:
            began = time.process_time()
            trained = train_adapter(
                base,
                examples,
                recipe,
                out=scratch / out,
                work=scratch / f"{out}.work",
                on_progress=_ignore,
                should_stop=lambda: False,
            )
            return trained, time.process_time() - began

        base = load_base(str(POCKET))
        expert, processor = train(rows.train, Recipe(), "expert")
        single, single_processor = train(rows.train[:FEW], Recipe(batch_size=1, passes=2), "single")
        pool = ExpertPool(base)
        pool.add("expert", scratch / "expert")
        say(f"answering {len(rows.held_out)} held-out rows")

        def answers(expert: str | None) -> list[str]:
            prompts = [Prompt(row.prompt, expert) for row in rows.held_out]
            return pool.generate(prompts, Sampling(max_new_tokens=NEW_TOKENS))

        right, alone = _right(answers("expert"), rows), _right(answers(None), rows)
        copied = _right(_by_words(rows), rows)
    held = len(rows.held_out)
    low, high = wilson(right, held)
    what = f"{len(rows.train):,} rows ({name}), default recipe, pocket, one thread, seed 0, once"
    return [
        Measurement(
            "expert.seconds", expert.seconds, "s", "the goal", GOAL_SECONDS,
            f"{what}; {processor:.1f} s of processor time.",
            f"under {GOAL_SECONDS} s", expert.seconds < GOAL_SECONDS,
        ),
        Measurement(
            "expert.speed", expert.tokens / processor, "tokens/s", "one row a step",
            single.tokens / single_processor,
            f"{what}; the other on {FEW} of the rows, twice; a second "
            "here is one of processor time.",
        ),
        Measurement(
            "expert.right", right / held, "of 1", "the most similar training row's label",
            copied / held,
            f"Exact matches on {held} held-out rows, 95 % interval {low:.3f} to {high:.3f} "
            f"(Wilson); the base alone: {alone / held:.3f}.",
        ),
    ]  # fmt: skip


def _ignore(progress: Progress) -> None:
    """Nobody watches."""
