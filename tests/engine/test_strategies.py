"""Every strategy against the plain way, and what all of them promise."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from tests.engine.conftest import save_adapter
from tests.engine.plain import Models, ask, decode, moved, next_token, peft_models, updates
from training_workers.engine.bases import Base
from training_workers.engine.devtable import DevTable
from training_workers.engine.evaluating import evaluate
from training_workers.engine.merging import ties
from training_workers.engine.pool import ExpertPool, Prompt, Sampling
from training_workers.engine.routing import Router
from training_workers.engine.scoring import Item, normalised
from training_workers.engine.strategies import Answer, Dev, Strategy, load_strategy
from training_workers.engine.strategies.best_single import BestSingle
from training_workers.engine.strategies.chain import Chain, Scale
from training_workers.engine.strategies.delta import ALPHA, Delta, DeltaBlend
from training_workers.engine.strategies.merged import dev_loss
from training_workers.engine.strategies.mixture import Mixture, MixtureBlend
from training_workers.engine.strategies.nearest import Nearest
from training_workers.engine.strategies.refine import Refine, fusing_prompt
from training_workers.engine.strategies.soup import Soup
from training_workers.engine.strategies.strategy import answer, save_strategy, settle, stream
from training_workers.engine.strategies.ties import Ties
from training_workers.engine.strategies.vote import Vote, winner
from training_workers.engine.tuning import Tuned

TEXTS = ["what colour is the sky?", "how many legs has a cat", "who are you? " * 2, "ünï ☃"]
MOST = 6
SAMPLING = Sampling(max_new_tokens=MOST)
NAMES = ["blue", "green", "red"]
TABLE = DevTable(
    ["what colour is the ball", "the colour of the sea", "how many legs", "many cats", "who", "hi"],
    ["seen", "seen", "counted", "counted", "met", "met"],
    {
        "": [False, True, False, False, True, False],
        "blue": [True, True, False, False, False, True],
        "green": [False, False, True, True, False, False],
        "red": [False, True, True, False, True, True],
    },
)
ROUTER = Router(TABLE, k=3, temperature=0.5)
"""So warm that all models have a say everywhere."""
WEIGHTS = {"blue": 0.2, "green": 0.5, "red": 0.3}


@dataclass
class Crew:
    """The same experts in a pool and as plain models."""

    base: Base
    folders: Mapping[str, Path]
    pool: ExpertPool
    models: Models

    def pool_of(self, names: Sequence[str]) -> ExpertPool:
        pool = ExpertPool(self.base)
        for name in names:
            pool.add(name, self.folders[name])
        return pool

    def says(self, name: str, text: str) -> str:
        return ask(self.base, self.models[name], text, MOST).text


@pytest.fixture(scope="module", params=["llama", "gpt2"])
def crew(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Crew:
    base: Base = request.getfixturevalue(request.param)
    folder = tmp_path_factory.mktemp("crew")
    folders = {name: save_adapter(folder / name, base, name) for name in NAMES}
    made = Crew(base, folders, ExpertPool(base), peft_models(base, folders))
    made.pool = made.pool_of(NAMES)
    return made


def every(router: Router = ROUTER, names: Sequence[str] = NAMES) -> list[Strategy]:
    """One of each kind, on a router and a merge of these experts."""
    table = router.table.only(names)
    router = router.on(table)
    total = sum(WEIGHTS[name] for name in names)
    return [
        BestSingle.of_table(table),
        Nearest(router),
        Soup({name: WEIGHTS[name] / total for name in names}),
        Ties(dict.fromkeys(names, 1.0), density=0.5),
        Mixture(router),
        Delta(router),
        Vote(router, team=3),
        Refine(router),
        Chain(router, Scale(-3.0, (0.0,) * 3), Scale(0.0, (1.0,) * 7), bar=0.5),
    ]


KINDS = pytest.mark.parametrize("strategy", every(), ids=lambda strategy: strategy.name)


def said(answers: Sequence[Answer]) -> list[str]:
    return [one.text for one in answers]


def settled(answers: list[Answer]) -> list[Answer]:
    """With the credit that is worked out when asked for."""
    for one in answers:
        settle([one])
        assert one.settle is None
    return answers


def posteriors(allowed: frozenset[str] | None = None, most: int = 4) -> list[dict[str, float]]:
    found = [ROUTER.posterior(route, most) for route in ROUTER.route(TEXTS, allowed)]
    assert min(map(len, found)) > 1
    return found


def test_nearest_and_best_single_answer_as_the_expert_they_name(crew: Crew) -> None:
    for strategy in (Nearest(ROUTER), BestSingle.of_table(TABLE)):
        answers = answer(strategy, crew.pool, TEXTS, SAMPLING)
        for text, one in zip(TEXTS, answers, strict=True):
            assert one.text == crew.says(one.route.expert or "", text)
            assert one.credit == {one.route.expert or "": pytest.approx(1)}
    assert len({route.expert for route in ROUTER.route(TEXTS)}) > 1


def test_mixture_is_the_weighted_mean_of_plain_distributions(crew: Crew) -> None:
    compared = 0
    for text, weights, one in zip(
        TEXTS, posteriors(), answer(Mixture(ROUTER), crew.pool, TEXTS, SAMPLING), strict=True
    ):
        owed: list[dict[str, float]] = []

        def step(ids: list[int], weights: dict[str, float] = weights) -> Tensor:
            chances = {
                name: weight * next_token(crew.base, crew.models[name], ids).exp()
                for name, weight in weights.items()
            }
            mean = torch.stack(list(chances.values())).sum(dim=0)
            token = int(mean.argmax())
            if token != crew.base.tokenizer.eos_token_id:
                owed.append(  # noqa: B023 - called within this round
                    {name: float(part[token] / mean[token]) for name, part in chances.items()}
                )
            return mean.log()

        plain = decode(crew.base, text, MOST, step)
        assert one.text == plain.text
        assert one.generations == len(weights)
        likelihood = crew.pool.drafts(
            [Mixture(ROUTER).likelihood_prompt(crew.pool, text)], SAMPLING
        )
        assert likelihood[0].log_probability == pytest.approx(plain.log_probability, abs=1e-3)
        if len(one.pieces) == len(owed):  # else a piece has several tokens
            compared += 1
            for piece, shares in zip(one.pieces, owed, strict=True):
                assert piece.shares == pytest.approx(shares, abs=1e-4)
        assert sum(one.credit.values()) == pytest.approx(1)
    assert compared > 0


def test_mixture_tells_the_exact_responsibility_for_a_token() -> None:
    chances = torch.tensor([[0.5, 0.25, 0.25], [0.1, 0.1, 0.8]])
    blend = MixtureBlend(("a", "b"), (0.25, 0.75))
    assert blend.combine(chances.log()).exp().tolist() == pytest.approx([0.2, 0.1375, 0.6625])
    assert blend.shares(chances.log()[:, 2]) == pytest.approx({"a": 5 / 53, "b": 48 / 53})


def test_delta_adds_up_what_plain_experts_change(crew: Crew) -> None:
    texts = said(answer(Delta(ROUTER), crew.pool, TEXTS, SAMPLING))
    for text, weights, found in zip(TEXTS, posteriors(), texts, strict=True):

        def step(ids: list[int], weights: dict[str, float] = weights) -> Tensor:
            base = next_token(crew.base, crew.models[""], ids)
            experts = {n: next_token(crew.base, crew.models[n], ids) for n in weights if n}
            scores = base + sum(weights[n] * (own - base) for n, own in experts.items())
            plausible = [own.exp() >= ALPHA * own.exp().max() for own in [base, *experts.values()]]
            return scores.where(torch.stack(plausible).any(dim=0), -torch.inf).log_softmax(dim=-1)

        assert found == decode(crew.base, text, MOST, step).text


def test_vote_counts_what_plain_experts_answer(crew: Crew) -> None:
    answers = answer(Vote(ROUTER, team=3), crew.pool, TEXTS, SAMPLING)
    for text, weights, one in zip(TEXTS, posteriors(most=3), answers, strict=True):
        answered = {name: crew.says(name, text) for name in weights}
        behind = {
            normalised(told): sum(
                weights[name] for name in weights if normalised(answered[name]) == normalised(told)
            )
            for told in answered.values()
        }
        assert normalised(one.text) == max(behind, key=lambda told: behind[told])
        backers = {n for n in weights if normalised(answered[n]) == normalised(one.text)}
        assert one.credit.keys() == backers
        assert {step.model: step.answered for step in one.steps} == answered
        assert one.generations == len(weights)


def test_a_majority_of_small_votes_wins_and_is_owed_the_answer() -> None:
    told, shares = winner({"a": ("Paris", 0.4), "b": ("rome.", 0.25), "c": ("Rome", 0.35)})
    assert told == "Rome"
    assert shares == pytest.approx({"b": 0.25 / 0.6, "c": 0.35 / 0.6})
    assert winner({"a": ("x", 0.5), "b": ("y", 0.5)}) == ("x", {"a": 1.0})


def test_the_team_of_a_vote_is_the_smallest_that_scores_best_on_dev(crew: Crew) -> None:
    """Five models; the two that are trusted least are right, and together they carry the vote."""
    names = ["a", "b", "c", "d"]
    texts = {"": ["no"], "a": ["x"], "b": ["y"], "c": ["yes"], "d": ["Yes."]}
    table = DevTable(["q"], ["g"], {name: [name in "cd"] for name in texts}, texts)
    trust = torch.tensor([[0.1, 0.3, 0.29, 0.28, 0.27]]).double().numpy()
    items = [Item("q", ("yes",), "g")]
    tuned = Tuned(Router(table, temperature=10.0), trust, trust[:, 0])
    assert [name for name in table.models if name] == names
    assert Vote.fit(Dev(items, table, tuned, crew.pool, MOST)).team == 5
    wrong = [Item("q", ("never",), "g")]
    assert Vote.fit(Dev(wrong, table, tuned, crew.pool, MOST)).team == 3


def test_refine_asks_the_first_of_the_team_to_settle_on_plain_drafts(crew: Crew) -> None:
    answers = answer(Refine(ROUTER), crew.pool, TEXTS, SAMPLING)
    for text, weights, one in zip(TEXTS, posteriors(), answers, strict=True):
        drafts = {name: crew.says(name, text) for name in weights}
        fuser = next(iter(weights))
        assert one.text == crew.says(fuser, fusing_prompt(text, list(drafts.values())))
        assert {step.model: step.answered for step in one.steps} == drafts
        assert fuser in one.credit
        assert one.generations == len(weights) + 1


def test_soup_answers_as_the_base_with_the_updates_added_to_it(crew: Crew) -> None:
    dense = {
        layer: sum(w * updates(crew.pool.adapters[name])[layer] for name, w in WEIGHTS.items())
        for layer in crew.pool.adapters["red"].layers
    }
    model = moved(crew.base, dense)
    found = said(answer(Soup(WEIGHTS), crew.pool, TEXTS, SAMPLING))
    assert found == [ask(crew.base, model, text, MOST).text for text in TEXTS]


def test_ties_answers_as_the_base_with_the_dense_merge_added_to_it(crew: Crew) -> None:
    merged, _ = ties([crew.pool.adapters[name] for name in NAMES], [1.0] * 3, 0.5, rank=12)
    model = moved(crew.base, updates(merged))
    strategy = Ties(dict.fromkeys(NAMES, 1.0), density=0.5)
    found = said(answer(strategy, crew.pool, TEXTS, SAMPLING))
    assert found == [ask(crew.base, model, text, MOST).text for text in TEXTS]


def test_a_merge_owes_its_answer_to_those_without_whom_it_is_less_likely(crew: Crew) -> None:
    answers = settled(answer(Soup(WEIGHTS), crew.pool, TEXTS, SAMPLING))
    for text, one in zip(TEXTS, answers, strict=True):
        lost = {}
        for name in NAMES:
            rest = {n: weight / (1 - WEIGHTS[name]) for n, weight in WEIGHTS.items() if n != name}
            full, without = crew.pool.likelihoods(
                [(Prompt(text, WEIGHTS), one.text), (Prompt(text, rest), one.text)]
            )
            lost[name] = max(0.0, full.log_probability - without.log_probability)
        total = sum(lost.values())
        expected = {n: part / total for n, part in lost.items()} if total else {"": 1.0}
        settle([one])
        assert one.credit == pytest.approx(expected, abs=1e-3)


def dev(pool: ExpertPool, expert: str, routed: bool = False) -> Dev:
    """Items that `expert` answers right; whether the router sends all of them there, or none."""
    prompts = [f"{text} {n}" for n in range(2) for text in TEXTS]
    right = pool.generate([Prompt(text, expert) for text in prompts], SAMPLING)
    items = [Item(t, (r or "?",), "g") for t, r in zip(prompts, right, strict=True)]
    table = evaluate(pool, items, NAMES, MOST)
    values = table.matrix(table.models)
    solved = values.max(axis=1) * routed
    return Dev(items, table, Tuned(ROUTER.on(table), values, solved), pool, MOST)


def test_soup_finds_the_expert_that_knows_and_is_no_worse_than_any_alone(crew: Crew) -> None:
    on = dev(crew.pool, "green")
    soup = Soup.fit(on)
    assert max(soup.weights, key=lambda name: soup.weights[name]) == "green"
    losses = [dev_loss(on, name) for name in NAMES]
    assert dev_loss(on, soup.weights) <= min(losses) + 1e-4
    assert dev_loss(on, dict.fromkeys(NAMES, 1 / 3)) > min(losses)


def test_ties_takes_the_density_with_the_lower_dev_loss(crew: Crew) -> None:
    on = dev(crew.pool, "green")
    fitted = Ties.fit(on)
    losses = {d: dev_loss(on, replace(fitted, density=d).voice(on.pool, NAMES)) for d in (0.2, 0.5)}
    assert fitted.density == min(losses, key=lambda density: losses[density])


def test_no_merge_is_sought_where_the_plain_one_is_far_behind_the_router(crew: Crew) -> None:
    on = dev(crew.pool, "green", routed=True)
    assert Soup.fit(on).weights == dict.fromkeys(NAMES, pytest.approx(1 / 3))
    assert Ties.fit(on) == Ties(dict.fromkeys(NAMES, 1.0))


def test_one_expert_at_weight_one_gives_itself_back(crew: Crew) -> None:
    right = {"": [False], "red": [True]}
    sure = Router(DevTable(["hi"], ["g"], right), temperature=0.01)
    expected = [crew.says("red", text) for text in TEXTS]
    for strategy in (
        Mixture(sure),
        Delta(sure),
        Vote(sure),
        Refine(sure),
        Soup({"red": 1.0, "blue": 0.0}),
        Ties({"red": 1.0}),
    ):
        answers = settled(answer(strategy, crew.pool, TEXTS, SAMPLING))
        assert said(answers) == expected
        assert all(one.credit == {"red": pytest.approx(1)} for one in answers)
        assert all(one.generations == 1 for one in answers)


@given(st.integers(0, 10**6))
def test_one_expert_at_weight_one_is_what_a_blend_says(seed: int) -> None:
    drawn = torch.randn(2, 3, 9, generator=torch.Generator().manual_seed(seed)).log_softmax(dim=-1)
    mixed = MixtureBlend(("", "e"), (0.0, 1.0)).combine(drawn)
    torch.testing.assert_close(mixed, drawn[1])
    added = DeltaBlend(("", "e"), (1.0,)).combine(drawn)
    plausible = added.isfinite()
    assert torch.equal(added.argmax(dim=-1), drawn[1].argmax(dim=-1))
    for found, own, kept in zip(added, drawn[1], plausible, strict=True):
        torch.testing.assert_close(found[kept], own[kept].log_softmax(dim=-1))


@given(st.integers(0, 10**6), st.lists(st.floats(0.01, 1), min_size=1, max_size=4))
def test_blends_are_distributions_and_shares_sum_to_one(seed: int, weights: list[float]) -> None:
    draws = torch.Generator().manual_seed(seed)
    drawn = torch.randn(len(weights) + 1, 7, generator=draws).mul(3).log_softmax(dim=-1)
    names = tuple(f"e{n}" for n in range(len(weights)))
    total = sum(weights)
    mixture = MixtureBlend(names, tuple(weight / total for weight in weights))
    delta = DeltaBlend(("", *names), tuple(weight / total for weight in weights))
    for blend, own in ((mixture, drawn[1:]), (delta, drawn)):
        combined = blend.combine(own)
        assert float(combined.exp().sum()) == pytest.approx(1, abs=1e-5)
        for token in range(7):
            shares = blend.shares(own[:, token])
            assert sum(shares.values()) == pytest.approx(1, abs=1e-5)
            assert min(shares.values()) >= 0


@KINDS
def test_pieces_join_and_shares_and_credit_sum_to_one(strategy: Strategy, crew: Crew) -> None:
    for sampling in (SAMPLING, Sampling(max_new_tokens=MOST, temperature=0.9, seed=2)):
        told = [""] * len(TEXTS)
        for growing in stream(strategy, crew.pool, TEXTS, sampling):
            for row, one in enumerate(growing):
                assert one.text.startswith(told[row])
                told[row] = one.text
        assert all(one.over for one in growing)
        assert ["".join(piece.text for piece in one.pieces) for one in growing] == told
        assert told == said(answer(strategy, crew.pool, TEXTS, sampling, at_once=2))
        for one in growing:
            settle([one])
            for shares in [one.credit, *(piece.shares for piece in one.pieces)]:
                assert sum(shares.values()) == pytest.approx(1)
                assert set(shares) <= {"", *NAMES}
    assert len(set(told)) > 1


@KINDS
def test_a_batch_answers_as_one_by_one(strategy: Strategy, crew: Crew) -> None:
    together = settled(answer(strategy, crew.pool, TEXTS, SAMPLING))
    alone = [settled(answer(strategy, crew.pool, [text], SAMPLING))[0] for text in TEXTS]
    assert said(together) == said(alone)
    for one, other in zip(together, alone, strict=True):
        assert one.credit == pytest.approx(other.credit, abs=1e-3)
        assert one.route == other.route
    assert answer(strategy, crew.pool, [], SAMPLING) == []


SUBSETS = [["green", "red"], ["blue", "red"], ["green"]]


@pytest.mark.parametrize("kept", SUBSETS, ids=" ".join)
def test_who_is_left_answers_as_if_the_others_had_never_been(crew: Crew, kept: list[str]) -> None:
    never, pool = crew.pool_of(kept), crew.pool_of(NAMES)
    alone = [settled(answer(one, never, TEXTS, SAMPLING)) for one in every(names=kept)]
    for strategy, expected in zip(every(), alone, strict=True):
        left = settled(answer(strategy, pool, TEXTS, SAMPLING, frozenset(kept)))
        assert said(left) == said(expected), strategy.name
        for one, other in zip(left, expected, strict=True):
            assert one.credit == pytest.approx(other.credit, abs=1e-3), strategy.name
            assert one.route.expert == other.route.expert
            if strategy.level != "weight":
                assert one.route.scores == pytest.approx(other.route.scores)
            assert one.steps == other.steps
    for name in set(NAMES) - set(kept):
        pool.remove(name)
    for strategy, expected in zip(every(), alone, strict=True):
        left = answer(strategy, pool, TEXTS, SAMPLING, frozenset(kept))
        assert said(left) == said(expected), strategy.name


@KINDS
def test_without_experts_the_base_answers(strategy: Strategy, crew: Crew) -> None:
    answers = answer(strategy, crew.pool, TEXTS, SAMPLING, frozenset())
    if strategy.name != "chain":  # the base may still take a question apart
        assert said(answers) == [crew.says("", text) for text in TEXTS]
    assert all(one.credit == {"": pytest.approx(1)} for one in answers)
    assert all(one.route.expert is None for one in answers)
    prompt = strategy.likelihood_prompt(crew.pool, "hi", frozenset())
    assert prompt == Prompt("hi", None)


@KINDS
def test_a_saved_strategy_answers_as_before(strategy: Strategy, crew: Crew, tmp_path: Path) -> None:
    save_strategy(strategy, tmp_path / "kept")
    loaded = load_strategy(tmp_path / "kept")
    assert loaded == strategy
    before = answer(strategy, crew.pool, TEXTS, SAMPLING)
    assert answer(loaded, crew.pool, TEXTS, SAMPLING) == before


def test_a_nearest_of_an_earlier_site_still_loads(tmp_path: Path) -> None:
    table = {"prompts": TABLE.prompts, "groups": TABLE.groups, "correct": TABLE.correct}
    state = {"name": "nearest", "table": table, "k": 3, "pseudo_count": 8.0, "margin": 0.05}
    (tmp_path / "strategy.json").write_text(json.dumps(state))
    assert load_strategy(tmp_path) == Nearest(Router(TABLE, k=3, pseudo_count=8.0, margin=0.05))


def test_an_unknown_strategy_is_refused(tmp_path: Path) -> None:
    (tmp_path / "strategy.json").write_text('{"name": "oracle"}')
    with pytest.raises(ValueError, match="oracle"):
        load_strategy(tmp_path)


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"name": "nearest"}', '{"name": "soup", "more": 1}', '{"name": "chain"}']
)
def test_a_damaged_one_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "strategy.json").write_text(text)
    with pytest.raises(ValueError, match=f"{tmp_path.name} is damaged"):
        load_strategy(tmp_path)


def test_best_single_weighs_priorities() -> None:
    on_cars = [True, True, False, False]
    table = DevTable(
        ["a", "b", "c", "d"],
        ["cars", "cars", "food", "food"],
        {"": [False] * 4, "mechanic": on_cars, "cook": [not one for one in on_cars]},
    )
    single = BestSingle.of_table(table, {"food": 2.0, "cars": 1.0})
    assert single.scores == pytest.approx({"": 0.0, "cook": 2 / 3, "mechanic": 1 / 3})
    assert single.best() == "cook"
    assert single.best(frozenset({"mechanic"})) == "mechanic"
    assert single.best(frozenset()) == ""
    assert BestSingle.of_table(table, {"cars": 1.0}).best() == "mechanic"
    tied = DevTable(["a"], ["g"], {"e": [True], "": [True]})
    assert BestSingle.of_table(tied).best() == ""


def test_no_weight_of_a_soup_explodes_or_turns_when_others_leave(crew: Crew) -> None:
    soup = Soup({"red": 0.5, "blue": 0.4, "green": -0.39})
    assert soup.voice(crew.pool, NAMES) == pytest.approx(soup.weights)
    left = soup.voice(crew.pool, ["blue", "green"])
    assert left == pytest.approx({"blue": 0.4 * 1.29 / 0.79, "green": -0.39 * 1.29 / 0.79})
    assert soup.voice(crew.pool, ["green"]) == pytest.approx({"green": -1.29})
