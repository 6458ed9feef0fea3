"""How long prompts are, in the tokens of the base, without torch."""

from collections.abc import Sequence

from contributions.models import Base
from contributions.tokens import CountTokens, token_counter
from training_workers.engine.data import SEPARATOR
from training_workers.openai_api.request import Prompt

_counters: dict[str, CountTokens] = {}
"""Those that were read, by the hash of their base."""


def count_tokens(base: Base, prompts: Sequence[Prompt], *, raw: bool) -> list[int | None]:
    """Of each prompt, with what stands between it and its answer; None where this machine has no
    tokenizer of the base."""
    count = _counters.get(base.sha256) or token_counter(base)
    if count is None:
        return [len(one) if isinstance(one, tuple) else None for one in prompts]
    _counters[base.sha256] = count
    return [
        len(one) if isinstance(one, tuple) else count([one if raw else one.strip() + SEPARATOR])[0]
        for one in prompts
    ]
