"""`training`: one LoRA job by our trainer and by `transformers.Trainer`.

Both read the same tokens equally often with the same adapter, optimizer, schedule and batch size.
The Trainer gets the rows as its tutorials prepare them: all padded on the right to the longest row
of the dataset, the labels of prompt and padding -100, stacked by its default collator,
`default_data_collator`; and, in a second line, padded to the longest row of each batch by
`DataCollatorForSeq2Seq`. A second is one of processor time, from examples to the adapter on disk;
tokens are real ones, padding is not counted.
"""

import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model
from transformers import (
    DataCollatorForSeq2Seq,
    PrinterCallback,
    Trainer,
    TrainingArguments,
    default_data_collator,
)

from mosaic_site.bench.measurement import Measurement, NotMeasured
from mosaic_site.bench.rows import INTENTS, Rows, make_rows
from training_workers.engine.adapters import read_adapter
from training_workers.engine.bank import LoraBank
from training_workers.engine.base_facts import POCKET
from training_workers.engine.bases import Base, load_base
from training_workers.engine.batching import answer_loss
from training_workers.engine.data import Example, encode_examples
from training_workers.engine.training import Progress, Recipe, train_adapter

TRAIN, HELD_OUT, SEED, ROUNDS = 720, 240, 7, 2
RECIPE = Recipe(passes=6, max_tokens=None, prompt_dropout=0.0)
GOAL = 1.3
TOLERANCE = 1.05
"""Our loss may be so many times the Trainer's; lower is no reason to refuse."""
OURS, DEFAULT, DYNAMIC = "ours", "Trainer, default collator", "Trainer, dynamic padding"

Way = Callable[[Base, Sequence[Example], Recipe, Path], None]
"""Trains an adapter on the examples and writes it to the folder."""


@dataclass(frozen=True)
class _Run:
    """Processor time, and the adapter's loss on the held-out rows in nats a token."""

    seconds: float
    loss: float


def measure(data: Path | None, say: Callable[[str], None]) -> list[Measurement]:
    torch.set_num_threads(1)
    base = load_base(str(POCKET), device="cpu")
    rows = _rows()
    encoded = encode_examples(base.tokenizer, rows.train, base.context_length)
    lengths = [len(one.ids) for one in encoded]
    tokens = RECIPE.passes * sum(lengths)
    say(f"{TRAIN} rows of {min(lengths)} to {max(lengths)} tokens, {RECIPE.passes} passes a way")
    ways: dict[str, Way] = {
        OURS: _ours,
        DEFAULT: partial(_trainer, dynamic=False),
        DYNAMIC: partial(_trainer, dynamic=True),
    }
    runs: dict[str, list[_Run]] = {name: [] for name in ways}
    for seed in range(ROUNDS):
        for name, way in ways.items():
            run = _run(way, base, rows, replace(RECIPE, seed=seed))
            runs[name].append(run)
            say(f"{name}, seed {seed}: {run.seconds:.1f} s, loss {run.loss:.4f}")
    speed = {name: tokens / statistics.mean(run.seconds for run in runs[name]) for name in ways}
    loss = {name: statistics.mean(run.loss for run in runs[name]) for name in ways}
    if loss[OURS] > TOLERANCE * min(loss[DEFAULT], loss[DYNAMIC]):
        told = ", ".join(f"{name} {value:.3f}" for name, value in loss.items())
        raise NotMeasured(f"The loss is not the same at equal tokens: {told}.")
    how = (
        f"{tokens:,} tokens in rows of {min(lengths)} to {max(lengths)} "
        f"({statistics.mean(lengths):.0f} on average), rank {RECIPE.rank}, batches of "
        f"{RECIPE.batch_size}, pocket, one thread, mean of {ROUNDS} seeds; loss on {HELD_OUT} "
        f"rows of other wordings {loss[OURS]:.3f}, the other's "
    )
    goal = f"at least {GOAL} times"
    met = speed[OURS] >= GOAL * speed[DEFAULT]
    return [
        Measurement(
            "training", speed[OURS], "tokens/s", DEFAULT, speed[DEFAULT],
            f"{how}{loss[DEFAULT]:.3f}.", goal, met,
        ),
        Measurement(
            "training.dynamic", speed[OURS], "tokens/s", DYNAMIC, speed[DYNAMIC],
            f"{how}{loss[DYNAMIC]:.3f}.",
        ),
    ]  # fmt: skip


def _rows() -> Rows:
    """Half of the intents are answered with a label, half with a sentence."""
    short = make_rows(TRAIN // 2, HELD_OUT // 2, SEED, intents=INTENTS[::2])
    long = make_rows(TRAIN // 2, HELD_OUT // 2, SEED, intents=INTENTS[1::2], long=True)
    return Rows(short.train + long.train, short.held_out + long.held_out)


def _run(way: Way, base: Base, rows: Rows, recipe: Recipe) -> _Run:
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "adapter"
        began = time.process_time()
        way(base, rows.train, recipe, out)
        seconds = time.process_time() - began
        return _Run(seconds, _loss(base, out, rows.held_out))


def _ours(base: Base, examples: Sequence[Example], recipe: Recipe, out: Path) -> None:
    train_adapter(
        base,
        examples,
        recipe,
        out=out,
        work=out.with_suffix(".work"),
        on_progress=_ignore,
        should_stop=lambda: False,
    )


def _trainer(
    base: Base, examples: Sequence[Example], recipe: Recipe, out: Path, *, dynamic: bool
) -> None:
    encoded = encode_examples(base.tokenizer, examples, base.context_length)
    longest = max(len(one.ids) for one in encoded)
    rows = []
    for one in encoded:
        padding = 0 if dynamic else longest - len(one.ids)
        prompt = len(one.ids) - one.answer_length
        rows.append(
            {
                "input_ids": one.ids + [base.tokenizer.pad_token_id] * padding,
                "attention_mask": [1] * len(one.ids) + [0] * padding,
                "labels": [-100] * prompt + one.ids[prompt:] + [-100] * padding,
            }
        )
    torch.manual_seed(recipe.seed)
    lora = LoraConfig(
        task_type="CAUSAL_LM",
        r=recipe.rank,
        lora_alpha=recipe.alpha,
        lora_dropout=0.0,
        target_modules="all-linear",
    )
    steps = recipe.passes * -(-len(rows) // recipe.batch_size)
    trainer = Trainer(
        model=get_peft_model(base.twin(), lora),
        args=TrainingArguments(
            output_dir=str(out),
            per_device_train_batch_size=recipe.batch_size,
            num_train_epochs=recipe.passes,
            learning_rate=recipe.learning_rate,
            lr_scheduler_type="linear",
            warmup_steps=round(steps / 20),
            seed=recipe.seed,
            save_strategy="no",
            report_to="none",
            log_level="error",
            disable_tqdm=True,
            use_cpu=True,
        ),
        train_dataset=rows,
        data_collator=DataCollatorForSeq2Seq(base.tokenizer) if dynamic else default_data_collator,
    )
    trainer.remove_callback(PrinterCallback)
    trainer.train()
    trainer.save_model()


def _loss(base: Base, adapter: Path, examples: Sequence[Example]) -> float:
    """Mean over all tokens of the answers, in nats."""
    bank = LoraBank(base)
    bank.add("expert", read_adapter(adapter, base))
    encoded = encode_examples(base.tokenizer, examples, base.context_length)
    summed = 0.0
    for start in range(0, len(encoded), RECIPE.batch_size):
        batch = encoded[start : start + RECIPE.batch_size]
        answers = sum(one.answer_length for one in batch)
        with torch.inference_mode():
            loss = answer_loss(base, partial(bank, ["expert"] * len(batch)), batch)
        summed += float(loss) * answers
    return summed / sum(one.answer_length for one in encoded)


def _ignore(progress: Progress) -> None:
    """Nobody watches."""
