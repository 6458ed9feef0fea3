"""Composition strategies: one file, one way to answer with many experts."""

import json
from pathlib import Path

from training_workers.engine.strategies.best_single import BestSingle
from training_workers.engine.strategies.chain import Chain
from training_workers.engine.strategies.delta import Delta
from training_workers.engine.strategies.mixture import Mixture
from training_workers.engine.strategies.nearest import Nearest
from training_workers.engine.strategies.refine import Refine
from training_workers.engine.strategies.soup import Soup
from training_workers.engine.strategies.strategy import FILE, Answer, Dev, Step, Strategy
from training_workers.engine.strategies.ties import Ties
from training_workers.engine.strategies.vote import Vote

STRATEGIES: tuple[type[Strategy], ...] = (
    BestSingle, Nearest, Soup, Ties, Mixture, Delta, Vote, Refine, Chain,
)  # fmt: skip
"""From cheap to dear."""


def load_strategy(folder: Path) -> Strategy:
    """The strategy that was saved in `folder`. Raises OSError, and ValueError where it is damaged
    or of no known kind."""
    text = (folder / FILE).read_text(encoding="utf-8")
    try:
        state = json.loads(text)
        name = state.pop("name", None)
        kind = next((kind for kind in STRATEGIES if kind.name == name), None)
        strategy = None if kind is None else kind.of_state(state)
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise ValueError(f"The strategy in {folder} is damaged: {error!r}") from error
    if strategy is None:
        raise ValueError(f"There is no strategy called {name!r}.")
    return strategy


__all__ = ["STRATEGIES", "Answer", "Dev", "Step", "Strategy", "load_strategy"]
