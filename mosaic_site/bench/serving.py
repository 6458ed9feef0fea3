"""`serving`: many experts in one batch, and a mixture of four, against the plain ways to do it."""

import copy
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from mosaic_site.bench.measurement import Measurement, NotMeasured
from mosaic_site.bench.rows import INTENTS, make_rows
from training_workers.engine.adapters import Adapter
from training_workers.engine.base_facts import POCKET
from training_workers.engine.bases import Base, load_base
from training_workers.engine.data import encode_prompt
from training_workers.engine.merging import compressed
from training_workers.engine.pool import ExpertPool, Prompt, Sampling
from training_workers.engine.strategies.mixture import MixtureBlend
from training_workers.engine.training import Progress, Recipe, train_adapter

EXPERTS, MIXED, ROUNDS, SEED = 16, 4, 5, 7
TRAINING_TOKENS = 6_000
SAMPLING = Sampling(max_new_tokens=48)
GOAL_BATCHED, GOAL_MIXTURE, GOAL_MEMORY = 4.0, 3.0, 1 / 3
SMALL_RANK = 8


def measure(data: Path | None, say: Callable[[str], None]) -> list[Measurement]:
    base = load_base(str(POCKET))
    pool = ExpertPool(base)
    prompts = []
    with tempfile.TemporaryDirectory() as folder:
        for number in range(EXPERTS):
            name = f"expert{number}"
            say(f"training {name} on replies of a sentence")
            intents = tuple(INTENTS[(number + turn) % len(INTENTS)] for turn in range(3))
            rows = make_rows(200, 1, SEED + number, intents=intents, long=True)
            train_adapter(
                base,
                rows.train,
                Recipe(max_tokens=TRAINING_TOKENS, seed=number),
                out=Path(folder) / name,
                work=Path(folder) / f"{name}.work",
                on_progress=_ignore,
                should_stop=lambda: False,
            )
            pool.add(name, Path(folder) / name)
            prompts.append(Prompt(rows.held_out[0].prompt, name))
    return [_batched(base, pool, prompts, say), *_mixture(base, pool, prompts, say)]


def _batched(
    base: Base, pool: ExpertPool, prompts: Sequence[Prompt], say: Callable[[str], None]
) -> Measurement:
    """A prompt to each expert, in one batch and one after another."""
    batched, single = [], []
    together = alone = pool.generate(prompts, SAMPLING)
    say(f"{ROUNDS} rounds of {len(prompts)} prompts")
    for _ in range(ROUNDS):
        began = time.perf_counter()
        together = pool.generate(prompts, SAMPLING)
        between = time.perf_counter()
        alone = [pool.generate([prompt], SAMPLING)[0] for prompt in prompts]
        batched.append(between - began)
        single.append(time.perf_counter() - between)
    if together != alone:
        raise NotMeasured("A batch gave other answers than its prompts did one by one.")
    tokens = sum(len(base.tokenizer(answer)["input_ids"]) for answer in together)
    value, other = (tokens / statistics.median(times) for times in (batched, single))
    return Measurement(
        name="serving",
        value=value,
        unit="tokens/s",
        other="one prompt after another",
        other_value=other,
        how=f"{EXPERTS} prompts to {EXPERTS} experts, {tokens} tokens of the same answers, "
        f"median of {ROUNDS} alternating rounds, pocket, one thread, seed {SEED}.",
        goal=f"ratio at least {GOAL_BATCHED:.0f}",
        met=value / other >= GOAL_BATCHED,
    )


def _mixture(
    base: Base, pool: ExpertPool, prompts: Sequence[Prompt], say: Callable[[str], None]
) -> list[Measurement]:
    """Four experts mixed, on one base with a cache; and as four full models without either."""
    names = [f"expert{number}" for number in range(MIXED)]
    blend = MixtureBlend(tuple(names), (0.4, 0.3, 0.2, 0.1))
    models = [_full_model(base, pool.adapters[name]) for name in names]
    texts = [prompt.text for prompt in prompts[:MIXED]]
    say(f"{ROUNDS} rounds of {MIXED} prompts to a mixture of {MIXED}")
    ours, plain = [], []
    answers = others = [""]
    for _ in range(ROUNDS):
        began = time.perf_counter()
        answers = [pool.generate([Prompt(text, blend)], SAMPLING)[0] for text in texts]
        between = time.perf_counter()
        others = [_plain_mixture(base, models, blend, text) for text in texts]
        ours.append(between - began)
        plain.append(time.perf_counter() - between)
    if answers != others:
        raise NotMeasured("The mixture gave other answers than the plain one.")
    tokens = sum(len(base.tokenizer(answer)["input_ids"]) for answer in answers)
    value, other = (tokens / statistics.median(times) for times in (ours, plain))
    how = f"{MIXED} experts of rank {Recipe().rank} on pocket, one thread, seed {SEED}"
    small = [compressed(pool.adapters[name], SMALL_RANK)[0] for name in names]
    return [
        Measurement(
            "serving.mixture", value, "tokens/s", "a full model an expert, no cache", other,
            f"{len(texts)} prompts one after another, {tokens} tokens of the same answers, "
            f"median of {ROUNDS} alternating rounds; {how}.",
            f"ratio at least {GOAL_MIXTURE:.0f}", value / other >= GOAL_MIXTURE,
        ),
        _memory("serving.memory", base, [pool.adapters[n] for n in names], models, how),
        _memory(
            "serving.memory_small", base, small, models,
            f"the same experts compressed to rank {SMALL_RANK}",
        ),
    ]  # fmt: skip


def _memory(
    name: str, base: Base, adapters: Sequence[Adapter], models: Sequence[Any], how: str
) -> Measurement:
    """MiB of weights held: one base and the adapters, against a full model an expert."""
    held = _bytes(base.model.parameters()) + sum(_bytes(a.tensors.values()) for a in adapters)
    full = sum(_bytes(model.parameters()) for model in models)
    return Measurement(
        name, held / 2**20, "MiB", "a full model an expert", full / 2**20,
        f"Weights held; {how}.", "ratio at most 1/3", held / full <= GOAL_MEMORY,
    )  # fmt: skip


def _bytes(tensors: Any) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def _full_model(base: Base, adapter: Adapter) -> Any:
    """A copy of the base with the expert's update added to its weights."""
    model = copy.deepcopy(base.model)
    with torch.no_grad():
        for layer in adapter.layers:
            prefix = f"base_model.model.{layer}"
            down = adapter.tensors[f"{prefix}.lora_A.weight"]
            up = adapter.tensors[f"{prefix}.lora_B.weight"]
            model.get_submodule(layer).weight += up @ down
    return model


def _plain_mixture(base: Base, models: Sequence[Any], blend: MixtureBlend, text: str) -> str:
    """Every model reads everything again for every token."""
    ids = encode_prompt(base.tokenizer, text, base.context_length - SAMPLING.max_new_tokens)
    begun = len(ids)
    for _ in range(SAMPLING.max_new_tokens):
        rows = [
            model(input_ids=torch.tensor([ids]), use_cache=False).logits[0, -1] for model in models
        ]
        scores = torch.stack(rows)[:, : len(base.tokenizer)].log_softmax(dim=-1)
        token = int(blend.combine(scores).argmax())
        if token == base.tokenizer.eos_token_id:
            break
        ids.append(token)
    text = base.tokenizer.decode(
        ids[begun:], skip_special_tokens=True, clean_up_tokenization_spaces=False
    )
    return text.strip()


def _ignore(progress: Progress) -> None:
    """Nobody watches."""
