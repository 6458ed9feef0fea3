"""`serving`: several experts answering in one batch, against one prompt after another."""

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from mosaic_site.bench.measurement import Measurement, NotMeasured
from mosaic_site.bench.rows import INTENTS, make_rows
from training_workers.engine.base_facts import POCKET
from training_workers.engine.bases import load_base
from training_workers.engine.pool import ExpertPool, Prompt, Sampling
from training_workers.engine.training import Progress, Recipe, train_adapter

EXPERTS, PROMPTS, ROUNDS, SEED = 4, 16, 5, 7
INTENTS_OF_EACH = 3
TRAINING_TOKENS = 15_000
SAMPLING = Sampling(max_new_tokens=48)


def measure(data: Path | None, say: Callable[[str], None]) -> list[Measurement]:
    base = load_base(str(POCKET))
    pool = ExpertPool(base)
    prompts = []
    with tempfile.TemporaryDirectory() as folder:
        for number in range(EXPERTS):
            name = f"expert{number}"
            say(f"training {name} on replies of a sentence")
            intents = INTENTS[number * INTENTS_OF_EACH : (number + 1) * INTENTS_OF_EACH]
            rows = make_rows(200, PROMPTS // EXPERTS, SEED, intents=intents, long=True)
            train_adapter(
                base,
                rows.train,
                Recipe(max_tokens=TRAINING_TOKENS),
                out=Path(folder) / name,
                work=Path(folder) / f"{name}.work",
                on_progress=_ignore,
                should_stop=lambda: False,
            )
            pool.add(name, Path(folder) / name)
            prompts += [Prompt(row.prompt, name) for row in rows.held_out]
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
    return [
        Measurement(
            name="serving",
            value=tokens / statistics.median(batched),
            unit="tokens/s",
            other="one prompt after another",
            other_value=tokens / statistics.median(single),
            how=f"{PROMPTS} prompts to {EXPERTS} experts, {tokens} tokens of the same answers, "
            f"median of {ROUNDS} alternating rounds, pocket, one thread, seed {SEED}.",
        )
    ]


def _ignore(progress: Progress) -> None:
    """Nobody watches."""
