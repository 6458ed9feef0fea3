"""Who answers which item right."""

from collections.abc import Callable, Sequence

from training_workers.engine.bases import Base
from training_workers.engine.devtable import DevTable
from training_workers.engine.pool import BASE, ExpertPool, Prompt, Sampling
from training_workers.engine.scoring import Item, marked

MOST_NEW_TOKENS = 64
"""An answer longer than this is not what an item asks for."""


def new_tokens(base: Base, items: Sequence[Item]) -> int:
    """How many tokens an answer may have: a few more than the longest reference, and a power of
    two, so that what was answered before still counts when a longer reference comes."""
    references = {reference for item in items for reference in item.references}
    longest = max(len(base.tokenizer(reference)["input_ids"]) for reference in references)
    return min(MOST_NEW_TOKENS, 1 << (longest + 3).bit_length())


def evaluate(
    pool: ExpertPool,
    items: Sequence[Item],
    models: Sequence[str],
    max_new_tokens: int,
    on_model: Callable[[int, int], None] = lambda done, of: None,
) -> DevTable:
    """Greedy answers of the base and `models` to `items`. `on_model` is told after each model.

    Raises ValueError without items.
    """
    if not items:
        raise ValueError("There are no items to evaluate on.")
    prompts = [item.prompt for item in items]
    sampling = Sampling(max_new_tokens=max_new_tokens)
    answers = {}
    names = [BASE, *models]
    for done, name in enumerate(names, start=1):
        answers[name] = pool.generate([Prompt(text, name or None) for text in prompts], sampling)
        on_model(done, len(names))
    return DevTable(
        prompts=prompts,
        groups=[item.group for item in items],
        correct={name: marked(items, texts) for name, texts in answers.items()},
        answers=answers,
    )
