"""`serving`: many experts in one batch, joined whenever somebody asks, against the plain ways.

How long somebody waits for a first token is measured with others who never stop asking, memory in
processes of their own.
"""

import copy
import multiprocessing
import os
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import torch
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

from mosaic_site.bench.measurement import Measurement, NotMeasured
from mosaic_site.bench.rows import INTENTS, make_rows
from training_workers.engine.adapters import PREFIX, Adapter, write_adapter
from training_workers.engine.base_facts import POCKET
from training_workers.engine.bases import Base, load_base
from training_workers.engine.data import encode_prompt
from training_workers.engine.merging import compressed
from training_workers.engine.pool import Draft, ExpertPool, OpenBatch, Prompt, Sampling
from training_workers.engine.strategies.mixture import MixtureBlend
from training_workers.engine.training import Progress, Recipe, train_adapter

EXPERTS, MIXED, ROUNDS, SEED = 16, 4, 5, 7
TRAINING_TOKENS = 6_000
SAMPLING = Sampling(max_new_tokens=48)
ASKED, MODELS = 40, 2
GOAL_BATCHED, GOAL_FIRST, GOAL_RESIDENT, GOAL_MIXTURE, GOAL_MEMORY = 5.0, 2.0, 1.5, 3.0, 1 / 3
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
        resident = _resident(Path(folder), say)
    return [
        _batched(base, pool, prompts, say),
        *_continuous(pool, prompts, say),
        *resident,
        *_mixture(base, pool, prompts, say),
    ]


def _batched(
    base: Base, pool: ExpertPool, prompts: Sequence[Prompt], say: Callable[[str], None]
) -> Measurement:
    """A prompt to each expert, in one batch and one after another."""
    batched, single = [], []
    together = alone = [Draft()]
    say(f"{ROUNDS} rounds of {len(prompts)} prompts")
    for _ in range(ROUNDS):
        began = time.perf_counter()
        together = _decoded(pool, [prompts])
        between = time.perf_counter()
        alone = _decoded(pool, [[prompt] for prompt in prompts])
        batched.append(between - began)
        single.append(time.perf_counter() - between)
    if [one.text for one in together] != [one.text for one in alone]:
        raise NotMeasured("A batch gave other answers than its prompts did one by one.")
    tokens = sum(one.tokens for one in together)
    value, other = (tokens / statistics.median(times) for times in (batched, single))
    return Measurement(
        name="serving",
        value=value,
        unit="tokens/s",
        other="one prompt after another",
        other_value=other,
        how=f"{EXPERTS} prompts to {EXPERTS} experts, {tokens} tokens of the same answers, told "
        f"piece by piece, median of {ROUNDS} alternating rounds, pocket, one thread, seed {SEED}.",
        goal=f"ratio at least {GOAL_BATCHED:.0f}",
        met=value / other >= GOAL_BATCHED,
    )


def _decoded(pool: ExpertPool, groups: Sequence[Sequence[Prompt]]) -> list[Draft]:
    """The answers to groups that come one after another."""
    batch = OpenBatch(pool)
    drafts = []
    for group in groups:
        drafts += batch.join(group, SAMPLING)
        while batch:
            batch.step()
    return drafts


def _continuous(
    pool: ExpertPool, prompts: Sequence[Prompt], say: Callable[[str], None]
) -> list[Measurement]:
    """Each expert's next prompt joins as soon as it has answered the one before; and somebody comes
    besides, at any moment."""
    say(f"{ASKED} who come while nobody asks, and while {EXPERTS - 1} others never stop")
    draws = random.Random(SEED)
    idle = _first_tokens(pool, prompts, [], draws)
    busy = _first_tokens(pool, prompts, prompts[1:], draws)
    value, other = statistics.median(busy) * 1000, statistics.median(idle) * 1000
    return [
        Measurement(
            "serving.first_token", value, "ms", "nobody else asks", other,
            f"Median of {ASKED} who come at any moment, from coming to the first piece of text; "
            f"{EXPERTS - 1} others are always being answered; the engine alone, without Redis.",
            f"ratio at most {GOAL_FIRST:.0f}", value / other <= GOAL_FIRST,
        )
    ]  # fmt: skip


def _first_tokens(
    pool: ExpertPool, prompts: Sequence[Prompt], others: Sequence[Prompt], draws: random.Random
) -> list[float]:
    """Seconds to the first piece, of ASKED who come one after another at random moments."""
    batch = OpenBatch(pool)
    load = {prompt: batch.join([prompt], SAMPLING)[0] for prompt in others}
    waited: list[float] = []
    came, mine = time.perf_counter() + draws.random() / 10, Draft()
    coming = True
    while len(waited) < ASKED:
        for prompt, draft in load.items():
            if draft.over:
                (load[prompt],) = batch.join([prompt], SAMPLING)
        if coming and time.perf_counter() >= came:
            (mine,) = batch.join([prompts[len(waited) % len(prompts)]], SAMPLING)
            coming = False
        batch.step()
        if not coming and (mine.pieces or mine.over):
            waited.append(time.perf_counter() - came)
            batch.leave([mine])
            came, coming = time.perf_counter() + draws.random() / 10, True
    return waited


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


def _resident(folder: Path, say: Callable[[str], None]) -> list[Measurement]:
    """What processes hold that serve a base alone, all experts on it, and two whole models more."""
    say("making a base of 88 million parameters and experts of rank 8 on it, all random")
    source = folder / "larger"
    _make_larger(source)
    names = [f"random{number}" for number in range(EXPERTS)]
    base = load_base(str(source), device="cpu")
    for name in names:
        _make_adapter(folder / name, base, name)
    alone = _in_a_process(str(source), [], 0)
    experts = _in_a_process(str(source), [str(folder / name) for name in names], 0)
    models = _in_a_process(str(source), [], MODELS)
    pocket = _in_a_process(str(POCKET), [], 0)
    on_pocket = _in_a_process(
        str(POCKET), [str(folder / f"expert{number}") for number in range(EXPERTS)], 0
    )
    how = (
        f"Resident memory of a process that has answered {EXPERTS} prompts in one batch, Python "
        "and torch included"
    )
    return [
        Measurement(
            "serving.resident", experts, "MiB", "the base alone", alone,
            f"{how}: {EXPERTS} random experts of rank 8 on a random base of 88 million parameters.",
            f"ratio at most {GOAL_RESIDENT}", experts <= GOAL_RESIDENT * alone,
        ),
        Measurement(
            "serving.resident_each", (experts - alone) / EXPERTS, "MiB",
            "a whole model more", (models - alone) / MODELS,
            f"What each of these experts adds, and each of {MODELS} whole models.",
        ),
        Measurement(
            "serving.resident_pocket", on_pocket, "MiB", "the base alone", pocket,
            f"{how}: {EXPERTS} experts of rank {Recipe().rank} on pocket, whose 4 MiB say little.",
        ),
    ]  # fmt: skip


def _in_a_process(source: str, adapters: Sequence[str], more_models: int) -> float:
    """MiB that a fresh process holds in the end."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as fresh:
        return fresh.submit(_hold, source, adapters, more_models).result()


def _hold(source: str, adapters: Sequence[str], more_models: int) -> float:
    base = load_base(source, device="cpu")
    pool = ExpertPool(base)
    others = [load_base(source, device="cpu") for _ in range(more_models)]
    for adapter in adapters:
        pool.add(Path(adapter).name, Path(adapter))
    voices: list[str | None] = [*sorted(pool.names)] or [None]
    prompts = [
        Prompt(f"how do I mend tyre {number}", voices[number % len(voices)])
        for number in range(EXPERTS)
    ]
    for each in [pool, *map(ExpertPool, others)]:
        each.generate(prompts, Sampling(max_new_tokens=8))
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def _make_larger(folder: Path) -> None:
    torch.manual_seed(SEED)
    tokenizer = AutoTokenizer.from_pretrained(POCKET)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=768,
        intermediate_size=2048,
        num_hidden_layers=12,
        num_attention_heads=12,
        max_position_embeddings=256,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _make_adapter(folder: Path, base: Base, name: str) -> None:
    draws = torch.Generator().manual_seed(sum(name.encode()))
    tensors = {}
    for layer, module in base.model.named_modules():
        if isinstance(module, torch.nn.Linear) and "lm_head" not in layer:
            down, up = (SMALL_RANK, module.in_features), (module.out_features, SMALL_RANK)
            tensors[f"{PREFIX}{layer}.lora_A.weight"] = torch.randn(down, generator=draws) / 100
            tensors[f"{PREFIX}{layer}.lora_B.weight"] = torch.randn(up, generator=draws) / 100
    write_adapter(folder, tensors, 1.0, base)


def _ignore(progress: Progress) -> None:
    """Nobody watches."""
