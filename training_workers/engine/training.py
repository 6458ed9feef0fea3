"""Training an expert: a LoRA adapter on a frozen base, resumable and cancellable."""

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from math import isfinite
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, get_peft_model

from training_workers.engine.adapters import (
    WEIGHTS,
    Adapter,
    adapter_sha256,
    read_adapter,
    write_adapter,
)
from training_workers.engine.bases import Base
from training_workers.engine.batching import (
    answer_loss,
    micro_batches,
    pace,
    planned_batches,
    planned_steps,
)
from training_workers.engine.checkpoints import Checkpoint
from training_workers.engine.data import Encoded, Example, encode_examples
from training_workers.engine.memory import (
    CHECKPOINTING_FROM,
    checkpoint_activations,
    device_words,
    is_out_of_memory,
    peak_mib,
    release,
)

FRACTIONS = {"learning_rate", "prompt_dropout"}
"""The numbers of a recipe that need not be whole."""


class TrainingError(Exception):
    """Training cannot go on; the message says why."""


class Cancelled(Exception):
    """Training was asked to stop, and did."""


@dataclass(frozen=True)
class Recipe:
    """How to train.

    An expert reads its rows `passes` times, but no more than `max_tokens` tokens, and always at
    least once: a small dataset is read often, a large one as long as the budget lasts. None lifts
    the cap. The learning rate rises for a twentieth of the steps and falls linearly to zero.
    `prompt_dropout` is the share of a prompt's tokens left out at each reading, so that an expert
    does not hang on one wording.
    """

    rank: int = 32
    alpha: int = 64
    learning_rate: float = 3e-3
    batch_size: int = 24
    passes: int = 30
    max_tokens: int | None = 240_000
    prompt_dropout: float = 0.1
    seed: int = 0

    def validate(self) -> None:
        """Raise ValueError if a number is out of its range."""
        for name, low, high in (
            ("rank", 1, 512),
            ("alpha", 1, 2048),
            ("batch_size", 1, 1024),
            ("passes", 1, 1000),
        ):
            if not low <= getattr(self, name) <= high:
                raise ValueError(f"{name} must be between {low} and {high}.")
        if not 0 < self.learning_rate <= 0.1:
            raise ValueError("learning_rate must be above 0 and at most 0.1.")
        if not 0 <= self.prompt_dropout <= 0.5:
            raise ValueError("prompt_dropout must be between 0 and 0.5.")
        if self.max_tokens is not None and self.max_tokens < 1:
            raise ValueError("max_tokens must be at least 1.")

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Recipe":
        """A valid recipe from JSON; what is not given keeps its default. Raises ValueError."""
        known = {field.name for field in fields(cls)}
        given: dict[str, Any] = {}
        for name, value in values.items():
            if name not in known:
                raise ValueError(f"A recipe has no {name}.")
            if name == "max_tokens" and value is None:
                given[name] = None
                continue
            whole = name not in FRACTIONS
            number = isinstance(value, int | float) and not isinstance(value, bool)
            if not number or not isfinite(value) or (whole and int(value) != value):
                raise ValueError(f"{name} must be a {'whole ' if whole else ''}number.")
            given[name] = int(value) if whole else float(value)
        recipe = cls(**given)
        recipe.validate()
        return recipe

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Progress:
    """Where training stands; `loss` in nats a token, `memory_mib` the peak so far; `micro_batch`
    rows are read at a time, on `device`."""

    step: int
    steps: int
    loss: float
    tokens: int
    tokens_per_second: float
    seconds_left: float
    memory_mib: float
    micro_batch: int
    device: str


@dataclass(frozen=True)
class Trained:
    """A finished adapter; `tokens` are those read, padding not counted."""

    sha256: str
    size_bytes: int
    tokens: int
    seconds: float
    steps: int
    final_loss: float
    losses: list[tuple[int, float]]


def train_adapter(
    base: Base,
    examples: Sequence[Example],
    recipe: Recipe,
    *,
    out: Path,
    work: Path,
    on_progress: Callable[[Progress], None],
    should_stop: Callable[[], bool],
    on_less_memory: Callable[[int], None] = lambda rows: None,
    start: Path | None = None,
    checkpoint_every_seconds: float = 5.0,
    threads: int = 1,
    checkpointing: bool | None = None,
) -> Trained:
    """Train an adapter on `examples` and write it to `out`.

    It goes on from the adapter in `start`, of the same rank, or begins anew. Checkpoints go to
    `work`; a second call with the same base, examples and recipe goes on from the last one, with
    the losses that an unbroken run would have had. `should_stop` is asked before every step.
    `base` stays as it was.

    Where the memory does not hold a batch, half as many rows are read at a time and their gradients
    added up, so that a step sees the same tokens; `on_less_memory` is told how many. Activations
    are computed twice to save memory if `checkpointing`; None: for large bases.

    Raises Cancelled, TrainingError, ValueError.
    """
    recipe.validate()
    if not examples:
        raise TrainingError("There are no examples to train on.")
    with _torch_settings(threads, recipe.seed):
        model = get_peft_model(
            base.twin(),
            LoraConfig(
                task_type="CAUSAL_LM",
                r=recipe.rank,
                lora_alpha=recipe.alpha,
                lora_dropout=0.0,
                target_modules="all-linear",
            ),
        )
        if base.parameters >= CHECKPOINTING_FROM if checkpointing is None else checkpointing:
            checkpoint_activations(model)
        trainable = {name: p for name, p in model.named_parameters() if p.requires_grad}
        optimizer = torch.optim.AdamW(
            trainable.values(), lr=recipe.learning_rate, weight_decay=0.0, fused=True
        )
        if start is not None:
            _begin_with(read_adapter(start, base), trainable, recipe)
        encoded = encode_examples(base.tokenizer, examples, base.context_length)
        steps = planned_steps(encoded, recipe.batch_size, recipe.passes, recipe.max_tokens)
        fingerprint = _fingerprint(base, examples, recipe, start)
        checkpoint = Checkpoint.resume(work, fingerprint, trainable, optimizer)
        gradients = _Gradients(base, model, optimizer, on_less_memory, checkpoint)
        device = device_words(base.device)
        began = saved = time.monotonic() - checkpoint.seconds
        for step, batch in enumerate(
            planned_batches(encoded, recipe.batch_size, steps, recipe.seed, recipe.prompt_dropout),
            start=1,
        ):
            if step <= checkpoint.step:
                continue
            if should_stop():
                raise Cancelled
            for group in optimizer.param_groups:
                group["lr"] = recipe.learning_rate * pace(step, steps)
            loss = gradients.of(batch)
            if not isfinite(loss):
                raise TrainingError(
                    f"The loss is no longer a number at step {step}; try a lower learning rate."
                )
            torch.nn.utils.clip_grad_norm_(trainable.values(), 1.0)
            optimizer.step()
            optimizer.zero_grad()
            now = time.monotonic()
            checkpoint.record(step, loss, sum(len(one.ids) for one in batch), now - began)
            if now - saved >= checkpoint_every_seconds:
                checkpoint.save(trainable, optimizer)
                saved = now
            on_progress(_progress(checkpoint, steps, gradients.rows_of(batch), device))
        tensors = {name.replace(".default", ""): p.detach() for name, p in trainable.items()}
        write_adapter(out, tensors, recipe.alpha / recipe.rank, base)
    checkpoint.discard()
    last = [loss for _, loss in checkpoint.losses[-10:]]
    return Trained(
        sha256=adapter_sha256(out),
        size_bytes=(out / WEIGHTS).stat().st_size,
        tokens=checkpoint.tokens,
        seconds=checkpoint.seconds,
        steps=steps,
        final_loss=sum(last) / len(last),
        losses=checkpoint.losses,
    )


@contextmanager
def _torch_settings(threads: int, seed: int) -> Iterator[None]:
    """Own threads and random state, both given back afterwards."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            yield
    finally:
        torch.set_num_threads(before)


def _begin_with(adapter: Adapter, trainable: Mapping[str, torch.Tensor], recipe: Recipe) -> None:
    """Put an adapter in the place of the fresh one. Raises TrainingError for another rank."""
    if adapter.rank != recipe.rank:
        raise TrainingError(f"The adapter to go on from has rank {adapter.rank}.")
    scaling = recipe.alpha / recipe.rank
    with torch.no_grad():
        for name, parameter in trainable.items():
            tensor = adapter.tensors[name.replace(".default", "")]
            parameter.copy_(tensor / scaling if ".lora_B." in name else tensor)


def _fingerprint(
    base: Base, examples: Sequence[Example], recipe: Recipe, start: Path | None
) -> str:
    """Names the run that a checkpoint belongs to."""
    rows = [(example.prompt, example.completion) for example in examples]
    begun = [adapter_sha256(start)] if start is not None else []
    text = json.dumps([base.sha256, recipe.to_dict(), rows, *begun])
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass
class _Gradients:
    """Adds up a batch's gradients, from parts that the memory holds."""

    base: Base
    model: Any
    optimizer: torch.optim.Optimizer
    on_less: Callable[[int], None]
    checkpoint: Checkpoint

    def rows_of(self, batch: Sequence[Encoded]) -> int:
        """How many rows are read at a time."""
        half = -(-len(batch) // 2)
        return min(half, self.checkpoint.micro_batch or half)

    def of(self, batch: Sequence[Encoded]) -> float:
        """Leave the gradients of the batch's loss at the parameters. Returns the loss.

        Raises TrainingError where the memory does not hold a single row.
        """
        while True:
            rows = self.rows_of(batch)
            try:
                return self._add_up(batch, rows)
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                if rows == 1:
                    longest = max(len(one.ids) for one in batch)
                    raise TrainingError(
                        f"The memory does not hold a single row of {longest} tokens on this base."
                    ) from error
            # Here the failed attempt's tensors are held by nobody any more.
            self.optimizer.zero_grad()
            release()
            self.checkpoint.micro_batch = rows // 2
            self.on_less(rows // 2)

    def _add_up(self, batch: Sequence[Encoded], rows: int) -> float:
        total = torch.zeros((), device=self.base.device)
        for part, share in micro_batches(batch, rows):
            loss = share * answer_loss(self.base, self.model, part)
            loss.backward()
            total += loss.detach()
        return float(total)


def _progress(checkpoint: Checkpoint, steps: int, rows: int, device: str) -> Progress:
    return Progress(
        step=checkpoint.step,
        steps=steps,
        loss=checkpoint.losses[-1][1],
        tokens=checkpoint.tokens,
        tokens_per_second=checkpoint.tokens / checkpoint.seconds,
        seconds_left=checkpoint.seconds / checkpoint.step * (steps - checkpoint.step),
        memory_mib=peak_mib(),
        micro_batch=rows,
        device=device,
    )
