"""Batches: which rows are read when and in which parts, how fast to learn then, and the loss over
their answers."""

import random
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from training_workers.engine.bases import Base
from training_workers.engine.data import Encoded


def planned_steps(
    encoded: Sequence[Encoded], batch_size: int, passes: int, max_tokens: int | None
) -> int:
    """Batches in so many passes, or in as many as the token budget allows; one pass at least."""
    affordable = float(passes)
    if max_tokens is not None:
        tokens_a_pass = sum(len(one.ids) for one in encoded)
        affordable = max(1.0, min(passes, max_tokens / tokens_a_pass))
    return round(affordable * -(-len(encoded) // batch_size))


def planned_batches(
    encoded: Sequence[Encoded], batch_size: int, steps: int, seed: int, dropout: float = 0.0
) -> Iterator[list[Encoded]]:
    """`steps` batches in an order that the seed alone decides, every row once in each pass.

    Batches are drawn at random: rows of like length often have like answers, and a batch of one
    kind of answer teaches less. Every token of a prompt is left out with chance `dropout`, anew
    in every pass.
    """
    done = 0
    for reading in range(steps):
        order = random.Random(f"{seed} {reading}")
        rows = list(encoded)
        order.shuffle(rows)
        starts = range(0, len(rows), batch_size)
        for start in starts[: steps - done]:
            yield [thinned(one, dropout, order) for one in rows[start : start + batch_size]]
        done += len(starts)
        if done >= steps:
            return


def thinned(one: Encoded, dropout: float, draws: random.Random) -> Encoded:
    """The row without some tokens of its prompt; the separator and the answer stay."""
    kept_from = len(one.ids) - one.answer_length - 1
    prompt = [token for token in one.ids[:kept_from] if draws.random() >= dropout]
    return Encoded(prompt + one.ids[kept_from:], one.answer_length)


def pace(step: int, steps: int) -> float:
    """The share of the peak learning rate at `step` (from 1): up for 5 %, then down to zero."""
    warmup = max(1.0, 0.05 * steps)
    return min(step / warmup, (steps + 1 - step) / (steps + 1 - warmup), 1.0)


def micro_batches(batch: Sequence[Encoded], most: int) -> Iterator[tuple[list[Encoded], float]]:
    """The parts of a batch that are read one after another, each with its share of the answers'
    tokens, which weighs its mean loss in the batch's.

    Two parts of like length, so that little is padding, or more where a part may have `most` rows.
    """
    rows = sorted(batch, key=lambda one: len(one.ids))
    answers = sum(one.answer_length for one in rows)
    size = max(1, min(most, -(-len(rows) // 2)))
    for start in range(0, len(rows), size):
        part = rows[start : start + size]
        yield part, sum(one.answer_length for one in part) / answers


def answer_loss(base: Base, model: Any, batch: Sequence[Encoded]) -> Tensor:
    """Mean next-token loss, in nats, over the answers of `batch`.

    Rows are padded on the left, so that all answers end in the last column and the vocabulary
    is scored for these columns only.
    """
    answer = max(one.answer_length for one in batch)
    # Where a tokenizer has no token for the separator, padding stands before the answer.
    longest = max(answer + 1, *(len(one.ids) for one in batch))
    ids = torch.full((len(batch), longest), base.tokenizer.pad_token_id)
    mask = torch.zeros_like(ids)
    counted = torch.zeros(len(batch), answer)
    for row, one in enumerate(batch):
        ids[row, longest - len(one.ids) :] = torch.tensor(one.ids)
        mask[row, longest - len(one.ids) :] = 1
        counted[row, answer - one.answer_length :] = 1
    ids, counted = ids.to(base.device), counted.to(base.device)
    inputs: dict[str, Any] = {"input_ids": ids, "use_cache": False}
    if not mask.all():
        inputs["attention_mask"] = mask.to(base.device)
        if base.accepts("position_ids"):
            inputs["position_ids"] = (mask.cumsum(1) - 1).clamp(min=0).to(base.device)
    if base.accepts("logits_to_keep"):
        inputs["logits_to_keep"] = answer + 1
    logits = model(**inputs).logits[:, -answer - 1 : -1].float()
    losses = cross_entropy(
        logits.flatten(0, 1), ids[:, -answer:].flatten(), reduction="none"
    ).view_as(counted)
    return (losses * counted).sum() / counted.sum()
