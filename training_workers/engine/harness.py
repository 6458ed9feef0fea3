"""A release as a model of lm-evaluation-harness (Gao et al. 2021), by the name `mosaic`.

    python -m training_workers.engine.harness run --model mosaic \\
        --model_args release=FOLDER --tasks TASKS

The engine puts `data.SEPARATOR`, a line break, between a prompt and its completion, as in training,
and white space at the ends of both does not count. So where a task joins "Answer:" and " B", an
expert reads "Answer:" and on the next line "B": scores are those of the text that experts were
taught to read, and not to be set beside scores of models that were given the task's own spacing.
A prompt that is longer than the context loses its beginning, and a completion counts for half of
the context at most. Chat templates are not applied.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from lm_eval.__main__ import cli_evaluate
from lm_eval.api.instance import Instance
from lm_eval.api.model import LM
from lm_eval.api.registry import register_model

from training_workers.engine.bases import load_base
from training_workers.engine.pool import Prompt, Sampling
from training_workers.engine.release_folder import read_release
from training_workers.engine.release_manifest import base_of
from training_workers.engine.strategies.strategy import answer


@register_model("mosaic")
class Mosaic(LM):
    """`release` is a release folder, `base` its base where the manifest's source is not here.

    `batch_size` counts the prompts that are answered at once; `max_gen_toks` is how long an answer
    may be where a task does not say. Raises BaseError, ReleaseError, AdapterError.
    """

    def __init__(
        self,
        release: str,
        base: str = "",
        batch_size: int | str = 64,
        max_gen_toks: int = 64,
        device: str = "",
        max_batch_size: int | None = None,
    ) -> None:
        super().__init__()
        folder = Path(release)
        if device.startswith("cuda") and not torch.cuda.is_available():
            device = ""  # what the harness says where nobody named a device
        self.pool, self.strategy = read_release(
            folder, load_base(base or base_of(folder), "", device)
        )
        self.at_once = batch_size if isinstance(batch_size, int) else max_batch_size or 64
        self.max_gen_toks = max_gen_toks

    def loglikelihood(self, requests: list[Instance]) -> list[tuple[float, bool]]:
        """log p(continuation | context), in nats and without an end token, under the strategy's
        distribution; and whether each of its tokens is the likeliest."""
        return self._likelihoods([request.args for request in requests])

    def loglikelihood_rolling(self, requests: list[Instance]) -> list[float]:
        """log p(text), in nats: the sum over its windows, each read after the one before it."""
        totals = []
        for request in requests:
            windows = self._windows(request.args[0].strip())
            found = self._likelihoods(list(zip(["", *windows], windows, strict=False)))
            totals.append(sum(log_probability for log_probability, _ in found))
        return totals

    def generate_until(self, requests: list[Instance]) -> list[str]:
        """Answers, cut before the first of the `until` texts."""
        samplings = [self._sampling(request.args[1]) for request in requests]
        texts = [""] * len(requests)
        for sampling in dict.fromkeys(samplings):
            rows = [row for row, one in enumerate(samplings) if one == sampling]
            prompts = [requests[row].args[0] for row in rows]
            found = answer(self.strategy, self.pool, prompts, sampling, at_once=self.at_once)
            for row, one in zip(rows, found, strict=True):
                texts[row] = _cut(one.text, requests[row].args[1].get("until", []))
        return texts

    def _sampling(self, options: dict[str, Any]) -> Sampling:
        most = int(options.get("max_gen_toks", self.max_gen_toks))
        draws = options.get("do_sample", True)
        return Sampling(
            max_new_tokens=min(most, self.pool.base.context_length // 2),
            temperature=float(options.get("temperature", 0.0)) if draws else 0.0,
        )

    def _likelihoods(self, pairs: Sequence[tuple[str, str]]) -> list[tuple[float, bool]]:
        """The choices of a question share their context, which is routed once."""
        prompts: dict[str, Prompt] = {}
        for context, _ in pairs:
            if context not in prompts:
                prompts[context] = self.strategy.likelihood_prompt(self.pool, context)
        asked = [(prompts[context], continuation) for context, continuation in pairs]
        found = self.pool.likelihoods(asked, end=False)
        return [(one.log_probability, one.greedy) for one in found]

    def _windows(self, text: str) -> list[str]:
        """The text, halved at a space until each part fits into half of the context."""
        tokens = self.pool.base.tokenizer(text, add_special_tokens=False)["input_ids"]
        if len(tokens) <= self.pool.base.context_length // 2 or len(text) < 2:
            return [text]
        middle = len(text) // 2
        cut = max(text.find(" ", middle), middle)
        return self._windows(text[:cut].strip()) + self._windows(text[cut:].strip())


def _cut(text: str, until: str | Sequence[str]) -> str:
    for stop in [until] if isinstance(until, str) else until:
        if stop:
            text = text.split(stop)[0]
    return text


if __name__ == "__main__":
    sys.exit(cli_evaluate())
