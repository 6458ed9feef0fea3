"""The game that a strategy's credit is divided by: the readings it could have given each item.

`shapley.shapley_values` needs, for every item, each way to answer it: the team it takes, how much
the strategy trusts it, and whether it is right. All come from answers that are known already:

- routing: each model alone, trusted as the router scores it; `best_single`: by its dev score; -
`chain`: each model's direct reading and the chained ones, by the chance that the strategy gives
them; - others, whose value for a part of the experts would need new answers: each model alone, by
the router's score (for merges, by its weight). This is an approximation, and the report says
`approximate`.
"""

from collections.abc import Sequence

from training_workers.engine.devtable import DevTable
from training_workers.engine.pool import BASE, ExpertPool, Sampling
from training_workers.engine.scoring import Item, scored
from training_workers.engine.shapley import Reading
from training_workers.engine.strategies import Strategy
from training_workers.engine.strategies.chain import Chain

EXACT = ("best_single", "nearest", "chain")
"""The strategies whose game is their own."""


def readings(
    strategy: Strategy,
    pool: ExpertPool,
    items: Sequence[Item],
    table: DevTable,
    sampling: Sampling,
) -> list[list[Reading]]:
    """The readings of each item; `table` has what each model answers to it alone."""
    if isinstance(strategy, Chain):
        return _of_chain(strategy, pool, items, table, sampling)
    routes = strategy.routes(table.prompts, None, pool)
    right = {name: scored(items, table.answers[name]) for name in table.models}
    return [
        [
            Reading(_team(name), route.scores.get(name, 0.0), right[name][row])
            for name in table.models
        ]
        for row, route in enumerate(routes)
    ]


def _of_chain(
    chain: Chain,
    pool: ExpertPool,
    items: Sequence[Item],
    table: DevTable,
    sampling: Sampling,
) -> list[list[Reading]]:
    found = chain.read(pool, table.prompts, sampling, None)
    alone = chain.alone(pool, table.prompts, table.models, sampling)
    right = {name: scored(items, table.answers[name]) for name in table.models}
    games = []
    for row, (item, readings_) in enumerate(zip(items, found, strict=True)):
        game = [
            Reading(_team(name), chance, right[name][row]) for name, chance in alone[row].items()
        ]
        for reading, chance in zip(readings_[1:], chain.chances(readings_)[1:], strict=True):
            game.append(Reading(reading.team, chance, item.score(reading.answer)))
        games.append(game)
    return games


def _team(name: str) -> frozenset[str]:
    return frozenset() if name == BASE else frozenset({name})
