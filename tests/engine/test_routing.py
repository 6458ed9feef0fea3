from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

from tests.engine.conftest import AdapterMaker
from training_workers.engine.bases import Base
from training_workers.engine.devtable import DevTable, folds, priority_means, wording_folds
from training_workers.engine.features import Encoded, Hidden, Lexical, similarities
from training_workers.engine.neighbours import RIDGE
from training_workers.engine.pool import ExpertPool, Prompt
from training_workers.engine.profiles import profile_of
from training_workers.engine.routing import LikelihoodRouter, Router, load_router
from training_workers.engine.tuning import tune_router

CARS = ["fix my car", "the car needs oil", "change the tire of the car", "car engine is broken"]
FOOD = ["bake a cake", "cook some soup", "a recipe for soup", "how to bake bread"]


def table(repeat: int = 1) -> DevTable:
    """Each of two experts is right on its own subject, the base nowhere."""
    prompts = [f"{prompt} {n}" for n in range(repeat) for prompt in CARS + FOOD]
    on_cars = ["car" in prompt for prompt in prompts]
    return DevTable(
        prompts,
        ["cars" if one else "food" for one in on_cars],
        {
            "": [False] * len(prompts),
            "mechanic": on_cars,
            "cook": [not one for one in on_cars],
        },
    )


NEAR = Router(table(), k=3)
PROFILES = {"mechanic": profile_of(CARS), "cook": profile_of([*FOOD, "stir the porridge"])}
STACKED = Router(table(), k=3, profiles=PROFILES, stack=(-2.0, 3.0, 1.0))


def test_a_prompt_goes_to_who_solved_its_like() -> None:
    car, soup = NEAR.route(["my car has no oil", "soup"])
    assert car.expert == "mechanic"
    assert car.confidence == car.scores["mechanic"] > car.scores["cook"]
    assert car.neighbours[0].prompt == "fix my car 0"
    assert car.neighbours[0].solved_by == ["mechanic"]
    assert car.neighbours[0].group == "cars"
    assert soup.expert == "cook"
    assert NEAR.route([]) == []


def test_the_score_is_the_weighted_success_shrunk_to_what_the_words_promise() -> None:
    near = replace(NEAR, k=2, pseudo_count=3.0)
    (route,) = near.route(["the car needs oil"])
    weights = [one.similarity for one in route.neighbours]
    assert len(weights) == 2
    # Ridge regression in its dual form: mean + k(x) (K + RIDGE)^-1 (y - mean).
    features = Lexical(near.table.prompts)
    known = features.of(near.table.prompts)
    kernel = (known @ known.T).toarray() + RIDGE * np.eye(len(near.table.prompts))
    asked = (features.of(["the car needs oil"]) @ known.T).toarray()[0]
    right = np.array(near.table.correct["mechanic"], dtype=float)
    promised = 0.5 + asked @ np.linalg.solve(kernel, right - 0.5)
    assert 0.5 < promised < 1
    total = sum(weights) + 3.0
    assert route.scores["mechanic"] == pytest.approx((sum(weights) + 3.0 * promised) / total)
    assert route.scores["cook"] == pytest.approx(3.0 * (1 - promised) / total)


def test_a_prompt_like_no_other_has_the_mean_scores_and_no_neighbours() -> None:
    (route,) = NEAR.route(["zzz"])
    assert route.neighbours == []
    assert route.scores == pytest.approx({"": 0.0, "cook": 0.5, "mechanic": 0.5})


def test_a_profile_knows_words_that_no_dev_prompt_has() -> None:
    words, profiles = NEAR.route(["porridge"])[0], STACKED.route(["porridge"])[0]
    assert words.scores["mechanic"] > words.scores["cook"]  # by the letters of porridge
    assert profiles.scores["cook"] > profiles.scores["mechanic"]


def test_the_base_answers_where_no_expert_beats_it_by_the_margin() -> None:
    assert replace(NEAR, margin=1.0).route(["fix my car"])[0].expert is None
    base_knows = DevTable(CARS, ["cars"] * 4, {"": [True] * 4, "cook": [True] * 4})
    (route,) = Router(base_knows).route(["fix my car"])
    assert route.expert is None
    assert "No expert did better than the base" in route.reason


WORDS = ["my", "car", "soup", "bake", "the", "tire", "oil", "cake", "please", "zzz"]
PROMPTS = st.lists(st.sampled_from(WORDS), max_size=6).map(" ".join)
SUBSETS = st.frozensets(st.sampled_from(["mechanic", "cook", "stranger"]))


@pytest.mark.parametrize("router", [NEAR, STACKED], ids=["near", "stacked"])
@given(prompt=PROMPTS, allowed=SUBSETS)
def test_leaving_experts_out_changes_nothing_for_the_others(
    router: Router, prompt: str, allowed: frozenset[str]
) -> None:
    (free,), (bound,) = router.route([prompt]), router.route([prompt], allowed)
    assert bound.expert is None or bound.expert in allowed
    assert bound.scores == {name: free.scores[name] for name in bound.scores}
    if free.expert is None or free.expert in allowed:
        assert bound.expert == free.expert
    never = router.on(router.table.only([name for name in bound.scores if name]))
    assert never.route([prompt])[0].scores == pytest.approx(bound.scores)


@given(
    st.dictionaries(st.sampled_from("abcdef"), st.floats(0, 1), min_size=1),
    st.integers(1, 5),
    st.sampled_from([0.01, 0.1, 10.0]),
)
def test_the_posterior_is_a_softmax_without_the_improbable(
    scores: dict[str, float], most: int, heat: float
) -> None:
    (route,) = NEAR.route(["soup"])
    found = replace(NEAR, temperature=heat).posterior(replace(route, scores=scores), most)
    assert sum(found.values()) == pytest.approx(1)
    assert 1 <= len(found) <= most
    names = list(found)
    for one, other in pairwise(names):
        ratio = np.exp((scores[one] - scores[other]) / heat)
        assert found[one] / found[other] == pytest.approx(ratio)
        assert found[one] >= found[other]


@pytest.mark.parametrize("router", [NEAR, STACKED], ids=["near", "stacked"])
def test_a_saved_router_routes_as_before(router: Router) -> None:
    prompts = [*CARS, "something else", "", "."]
    assert load_router(router.state()).route(prompts) == router.route(prompts)
    assert [router.route([one])[0] for one in prompts] == router.route(prompts)


def test_a_table_must_be_whole() -> None:
    with pytest.raises(ValueError, match="base"):
        DevTable(["a"], ["g"], {"e": [True]})
    with pytest.raises(ValueError, match="each of them"):
        DevTable(["a"], ["g"], {"": [True, False]})
    with pytest.raises(ValueError, match="each of them"):
        DevTable([], [], {"": []})
    with pytest.raises(ValueError, match="each of them"):
        DevTable(["a"], ["g"], {"": [True]}, {"": []})


def test_priorities_weigh_as_they_are_told() -> None:
    right = np.array([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    groups = ["a", "a", "a", "b"]
    assert priority_means(right, groups, None).tolist() == [0.5, 0.5]
    assert priority_means(right, groups, {"a": 1.0, "b": 3.0}).tolist() == [0.25, 0.75]
    assert priority_means(right, groups, {"b": 1.0}).tolist() == [0.0, 1.0]
    assert priority_means(right, groups, {"elsewhere": 1.0}).tolist() == [0.5, 0.5]


def test_each_priority_is_in_every_fold() -> None:
    assert folds(["a", "a", "b", "a", "b"], 2).tolist() == [0, 1, 0, 0, 1]


def test_like_wordings_stay_together() -> None:
    names = ["anna", "ben", "carla", "dora"]
    wordings = ["in which town does {} live", "tell me the home of {}", "{} where are you from"]
    prompts = [wording.format(name) for name in names for wording in wordings]
    found = wording_folds(prompts, ["g"] * 12, 3)
    assert [set(found[at::3].tolist()) for at in range(3)] == [{n} for n in found[:3].tolist()]
    assert len(set(found.tolist())) == 3
    again = wording_folds(prompts, ["g"] * 12, 3)
    assert again.tolist() == found.tolist()


def test_prompts_of_the_same_words_are_no_trouble() -> None:
    assert wording_folds(["hi", "Hi", "hi!", "", "?"], ["g"] * 5, 4).max() < 4
    assert wording_folds(["hi"] * 3, ["a", "a", "b"], 5).tolist() == [0, 0, 0]


@pytest.fixture
def pool(llama: Base, random_adapter: AdapterMaker) -> ExpertPool:
    pool = ExpertPool(llama)
    for name in ("mechanic", "cook"):
        pool.add(name, random_adapter(llama, name))
    return pool


def test_hidden_states_are_centred_on_the_dev_prompts(pool: ExpertPool) -> None:
    features = Hidden(CARS, pool)
    found = features.of([*CARS, "soup"])
    states = pool.hidden_states([*CARS, "soup"]).double().numpy()
    centred = states - states[:4].mean(axis=0)
    cosines = centred @ centred.T
    norms = np.sqrt(np.diag(cosines))
    expected = (cosines / norms / norms[:, None]).clip(0)
    assert similarities(found, found) == pytest.approx(expected, abs=1e-5)


def test_a_router_may_see_hidden_states(pool: ExpertPool) -> None:
    near = replace(NEAR, sees="hidden")
    with pytest.raises(ValueError, match="needs the pool"):
        near.route(["fix my car 0"])
    routes = near.route([*near.table.prompts, "new"], None, pool)
    for prompt, route in zip(near.table.prompts, routes, strict=False):
        assert route.neighbours[0].prompt == prompt
        assert route.neighbours[0].similarity == pytest.approx(1)
    alone = near.on(near.table.only(["cook"])).route(["new"], None, pool)[0]
    bound = near.route(["new"], frozenset(["cook"]), pool)[0]
    assert bound.scores == pytest.approx(alone.scores)
    assert load_router(near.state()).route(["new"], None, pool) == near.route(["new"], None, pool)


def test_a_router_may_see_how_likely_a_prompt_is_under_each_expert(pool: ExpertPool) -> None:
    router = LikelihoodRouter(table(3))
    with pytest.raises(ValueError, match="needs the pool"):
        router.route(["fix my car"])
    (route,) = router.route(["fix my car"], None, pool)
    texts = [*router.table.prompts, "fix my car"]

    def likely(name: str | None) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        return np.array(pool.prompt_likelihoods([Prompt(text, name) for text in texts]))

    for name in ("mechanic", "cook"):
        ahead = likely(name) - likely(None)
        ahead = (ahead / ahead[:-1].std())[:, None]
        fitted = LogisticRegression().fit(ahead[:-1], router.table.correct[name])
        assert route.scores[name] == pytest.approx(fitted.predict_proba(ahead[-1:])[0, 1], abs=1e-4)
    assert route.scores[""] == 0
    loaded = load_router(router.state())
    assert isinstance(loaded, LikelihoodRouter)
    assert loaded.route(["fix my car"], None, pool) == [route]
    bound = frozenset(["cook"])
    before = router.route(["fix my car"], bound, pool)
    pool.remove("mechanic")
    for one in (router, load_router(router.state())):
        (after,) = one.route(["fix my car"], bound, pool)
        assert after.scores == pytest.approx(before[0].scores)


def encoder(folder: Path) -> Path:
    """A random BERT that knows the words of the table."""
    torch.manual_seed(0)
    words = sorted({word for prompt in table().prompts for word in prompt.split()})
    vocabulary = {word: at for at, word in enumerate(["[PAD]", "[UNK]", *words])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", model_max_length=16
    )
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=16,
    )
    BertModel(config).save_pretrained(folder)
    fast.save_pretrained(folder)
    return folder


def test_a_router_may_see_a_sentence_encoder(tmp_path: Path) -> None:
    source = str(encoder(tmp_path / "encoder"))
    features = Encoded(source)
    found = features.of([*CARS, "word " * 40])
    assert np.linalg.norm(found, axis=1) == pytest.approx(2**0.5)
    alone = [features.of([prompt])[0] for prompt in CARS]
    assert found[:4] == pytest.approx(np.array(alone), abs=1e-5)
    near = replace(NEAR, sees=source)
    for prompt, route in zip(near.table.prompts, near.route(near.table.prompts), strict=True):
        assert route.neighbours[0].prompt == prompt
    assert load_router(near.state()).route(["soup"]) == near.route(["soup"])


def test_what_costs_more_is_not_tried_where_words_do(pool: ExpertPool) -> None:
    """Without a pool what needs one could not even be tried."""
    tuned = tune_router(table(5), None, ("lexical", "hidden", "likelihood"))
    assert tuned.router.sees == "lexical"
    assert tuned.solved.mean() == 1
    assert tuned.held_out.shape == (40, 3)


def test_what_costs_more_is_taken_where_it_is_better(pool: ExpertPool) -> None:
    """Prompts of letters that say nothing; who answers them is who finds them likelier."""
    draws = np.random.default_rng(0)
    prompts = ["".join(draws.choice(list("abcdefghijklmnop"), 6)) for _ in range(80)]
    likely = {n: pool.prompt_likelihoods([Prompt(t, n) for t in prompts]) for n in pool.names}
    on = [one > other for one, other in zip(likely["mechanic"], likely["cook"], strict=True)]
    off = [not one for one in on]
    divided = DevTable(prompts, ["g"] * 80, {"": [False] * 80, "mechanic": on, "cook": off})
    lexical = tune_router(divided, None, ("lexical",), pool)
    tuned = tune_router(divided, None, ("lexical", "likelihood"), pool)
    gain = tuned.solved - lexical.solved
    assert tuned.router.sees == "likelihood"
    assert gain.mean() > gain.std(ddof=1) / np.sqrt(len(gain))


class Listening(ExpertPool):
    """Writes down which prompts' likelihoods it is asked for."""

    def prompt_likelihoods(self, prompts: Sequence[Prompt]) -> list[float]:
        self.__dict__.setdefault("asked", set()).update(prompt.text for prompt in prompts)
        return super().prompt_likelihoods(prompts)


def test_what_is_not_ahead_on_the_first_prompts_is_asked_no_further(pool: ExpertPool) -> None:
    """Words tell who knows the first 48; of the others, all alike, they cannot tell."""
    listening = Listening(pool.base)
    for name, adapter in pool.adapters.items():
        listening.hold(name, adapter)
    cars = [bool(row % 2) for row in range(60)]
    soups = [not car for car in cars]
    prompts = [f"{'car' if car else 'soup'} {row}" for row, car in enumerate(cars[:48])]
    divided = DevTable(
        [*prompts, *["tea"] * 12],
        ["g"] * 60,
        {"": [False] * 60, "mechanic": cars, "cook": soups},
    )
    tuned = tune_router(divided, None, ("lexical", "likelihood"), listening)
    assert tuned.router.sees == "lexical"
    assert vars(listening)["asked"] == set(prompts)


def test_profiles_are_stacked_on_a_tuned_router() -> None:
    tuned = tune_router(table(5), profiles=PROFILES)
    assert tuned.router.stack is not None
    assert tuned.router.stack[2] > 0
    assert tuned.router.route(["stir the porridge"])[0].expert == "cook"
    assert tuned.solved.mean() == 1
    nobody = DevTable(CARS, ["g"] * 4, {"": [False] * 4, "cook": [False] * 4})
    assert tune_router(nobody, profiles=PROFILES).router.stack is None


def test_the_router_without_rows_never_saw_them() -> None:
    held = [0, 3, 5]
    kept = [row for row in range(8) if row not in held]
    assert NEAR.without(held) == NEAR.on(NEAR.table.rows(kept))
    assert NEAR.table.rows(kept).prompts == [NEAR.table.prompts[row] for row in kept]
