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
    """The strategy that was saved in `folder`. Raises ValueError if it is of no known kind."""
    state = json.loads((folder / FILE).read_text(encoding="utf-8"))
    name = state.pop("name", None)
    for kind in STRATEGIES:
        if kind.name == name:
            return kind.of_state(state)
    raise ValueError(f"There is no strategy called {name!r}.")


__all__ = ["STRATEGIES", "Answer", "Dev", "Step", "Strategy", "load_strategy"]
