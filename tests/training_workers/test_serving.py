"""The serving process: every kind of strategy, who is credited, and what goes wrong."""

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
import redis

from contributions.actions import expert_withdraw
from mosaic_site.members.models import User
from tests.training_workers.composed import QUESTIONS
from tests.training_workers.conftest import Begin, Compose
from tests.training_workers.makers import make_live_release
from training_workers.engine.adapters import AdapterError
from training_workers.engine.base_facts import POCKET
from training_workers.engine.bases import load_base
from training_workers.engine.devtable import DevTable
from training_workers.engine.routing import Router
from training_workers.engine.scoring import normalised
from training_workers.engine.strategies import Strategy
from training_workers.engine.strategies.best_single import BestSingle
from training_workers.engine.strategies.chain import CHAINED, DIRECT, Chain, Scale
from training_workers.engine.strategies.mixture import Mixture
from training_workers.engine.strategies.refine import Refine
from training_workers.engine.strategies.strategy import save_strategy
from training_workers.engine.strategies.ties import Ties
from training_workers.engine.strategies.vote import Vote
from training_workers.models import Release
from training_workers.serving.client import ask, ask_and_wait
from training_workers.serving.process import ServingProcess, connect
from training_workers.serving.wire import ALIVE, Asked, Event, answer_key
from training_workers.serving.wire import QUESTIONS as WAITING

pytestmark = pytest.mark.django_db(transaction=True)


def until(happened: Callable[[], bool]) -> None:
    """Wait a while for something, and fail where it never happens."""
    deadline = time.monotonic() + 20
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def kinds(events: list[dict[str, Any]]) -> list[str]:
    return [event["kind"] for event in events]


def test_a_release_whose_files_are_gone_leaves_the_one_before_it_in_place(
    line: "redis.Redis", people: tuple[User, User]
) -> None:
    process = ServingProcess(connect())
    release = make_live_release(*people)
    table = DevTable(["hello"], ["greetings"], {"": [True]})
    save_strategy(BestSingle.of_table(table), release.strategy_path)
    Release.objects.get().members.all().delete()
    process.look_at_rows()
    held = process.served

    second = make_live_release(*people)  # its adapters were never written
    with pytest.raises(AdapterError, match="cannot be read"):
        process.look_at_rows()

    assert process.served is held and held is not None
    assert held.release == release.number != second.number


def test_what_cannot_be_answered_is_said_and_the_next_question_is_answered(
    begin: Begin,
) -> None:
    begin()
    nothing = ask_and_wait(Asked("hello", max_new_tokens=0))
    fine = ask_and_wait(Asked("hello", max_new_tokens=4))

    assert kinds(nothing)[-1] == "error" and nothing[-1]["fault"] == "asker"
    assert kinds(fine)[0] == "route" and kinds(fine)[-1] == "done"


def one(events: list[dict[str, Any]], kind: str) -> dict[str, Any]:
    """The one event of this kind."""
    found = [event for event in events if event["kind"] == kind]
    assert len(found) == 1, events
    return found[0]


def names_of(owed: Sequence[dict[str, Any]]) -> list[str]:
    """Of credit or steps; "" is the base."""
    return [entry["expert"]["name"] if entry["expert"] else "" for entry in owed]


def text_of(events: list[dict[str, Any]]) -> str:
    return "".join(event["text"] for event in events if event["kind"] == "token")


def test_the_base_alone_is_credited_where_no_release_is_live(begin: Begin) -> None:
    begin()

    events = ask_and_wait(Asked("hello", max_new_tokens=4))

    route, done = one(events, "route"), one(events, "done")
    assert route["release"] is route["strategy"] is route["level"] is route["expert"] is None
    assert route["reason"] == "No release is live yet, so the base answers alone."
    assert done["credit"] == [{"expert": None, "share": 1.0}] and done["steps"] == []


def test_a_mixture_streams_shares_that_sum_to_one(begin: Begin, compose: Compose) -> None:
    experts = compose(Mixture)
    begin()

    events = ask_and_wait(Asked(QUESTIONS[0], max_new_tokens=6))

    route, done = one(events, "route"), one(events, "done")
    tokens = [event for event in events if event["kind"] == "token"]
    assert (route["strategy"], route["level"]) == ("mixture", "logit")
    assert route["expert"]["name"] == experts[0].name
    assert {card["id"] for card in route["experts"]} == {expert.pk for expert in experts}
    assert len(tokens) > 1 and done["generations"] == 4
    for token in tokens:
        assert set(token["shares"]) == {"", *(str(expert.pk) for expert in experts)}
        assert sum(token["shares"].values()) == pytest.approx(1, abs=1e-5)
    shares = [owed["share"] for owed in done["credit"]]
    assert shares == sorted(shares, reverse=True)
    assert sum(shares) == pytest.approx(1, abs=1e-5)


def test_an_expert_that_left_gets_no_share_and_is_not_asked(begin: Begin, compose: Compose) -> None:
    leaver, *others = compose(Mixture)
    process = begin()
    before = one(ask_and_wait(Asked(QUESTIONS[0], max_new_tokens=6)), "done")

    expert_withdraw(actor=leaver.owner, expert=leaver, reason="")
    until(lambda: process.served is not None and str(leaver.pk) not in process.served.pool.names)
    events = ask_and_wait(Asked(QUESTIONS[0], max_new_tokens=6))

    assert leaver.name in names_of(before["credit"])
    named = {expert.name for expert in others}
    assert set(names_of(one(events, "done")["credit"])) == {"", *named}
    assert {card["name"] for card in one(events, "route")["experts"]} == named
    for event in events:
        assert str(leaver.pk) not in event.get("shares", {})


def test_a_vote_says_who_said_what_and_credits_the_winners(begin: Begin, compose: Compose) -> None:
    experts = compose(lambda router: Vote(router, team=3))
    begin()

    events = ask_and_wait(Asked(QUESTIONS[1], max_new_tokens=6))

    done = one(events, "done")
    assert set(names_of(done["steps"])) == {expert.name for expert in experts}
    assert {step["asked"] for step in done["steps"]} == {QUESTIONS[1]}
    won = {
        name
        for name, step in zip(names_of(done["steps"]), done["steps"], strict=True)
        if normalised(step["answered"]) == normalised(text_of(events))
    }
    assert set(names_of(done["credit"])) == won
    assert sum(owed["share"] for owed in done["credit"]) == pytest.approx(1)
    assert done["generations"] == 3 and done["tokens"] > 0
    assert all("shares" not in event for event in events)


def test_a_chain_says_its_steps_and_credits_all_of_them(begin: Begin, compose: Compose) -> None:
    never, always = Scale(-9.0, (0.0,) * DIRECT), Scale(9.0, (0.0,) * CHAINED)
    compose(lambda router: Chain(router, direct=never, chained=always))
    begin()
    question = "what colour is the cat of who keeps the owl"

    events = ask_and_wait(Asked(question, max_new_tokens=6))

    route, done = one(events, "route"), one(events, "done")
    first, second = done["steps"]
    assert (route["strategy"], route["level"]) == ("chain", "text")
    assert first["asked"] in question
    assert second["asked"] == question.replace(first["asked"], first["answered"])
    assert second["answered"] == text_of(events)
    assert set(names_of(done["credit"])) == set(names_of(done["steps"]))
    assert sum(owed["share"] for owed in done["credit"]) == pytest.approx(1)


def test_a_merge_is_no_expert_and_knows_whom_it_owes_to(begin: Begin, compose: Compose) -> None:
    experts = compose(lambda router: Ties({name: 1.0 for name in router.table.experts}))
    process = begin()

    events = ask_and_wait(Asked(QUESTIONS[2], max_new_tokens=6))
    only = [experts[0].pk, experts[2].pk]
    fewer = ask_and_wait(Asked(QUESTIONS[2], max_new_tokens=6, only=tuple(only)))

    done = one(events, "done")
    assert one(events, "route")["level"] == "weight"
    assert sum(owed["share"] for owed in done["credit"]) == pytest.approx(1)
    assert set(names_of(one(fewer, "done")["credit"])) <= {"", experts[0].name, experts[2].name}
    assert process.served is not None
    assert process.served.pool.names == {str(expert.pk) for expert in experts}
    process.look_at_rows()
    assert ask_and_wait(Asked(QUESTIONS[2], max_new_tokens=6))[-1]["credit"] == done["credit"]


@pytest.mark.parametrize("strategy", [Mixture, Vote, Refine], ids=lambda kind: kind.name)
def test_a_long_answer_holds_nobody_else_up(
    begin: Begin, compose: Compose, strategy: Callable[[Router], Strategy]
) -> None:
    compose(strategy)
    begin()
    begun, over = threading.Event(), threading.Event()

    async def long() -> list[Event]:
        events = []
        async for event in ask(Asked(QUESTIONS[0], max_new_tokens=120)):
            events.append(event)
            begun.set()
        over.set()
        return events

    with ThreadPoolExecutor(1) as other:
        answer = other.submit(asyncio.run, long())
        assert begun.wait(20)
        short = ask_and_wait(Asked(QUESTIONS[1], max_new_tokens=3))
        was_over = over.is_set()
        assert kinds(short)[-1] == kinds(answer.result())[-1] == "done"
    # The long one has many times as many tokens to go, so it is over later unless it ended early.
    assert not was_over or one(answer.result(), "done")["tokens"] < 30


def test_an_answer_is_reported_token_by_token_and_scored_as_it_was_made(
    begin: Begin, compose: Compose
) -> None:
    compose(Mixture)
    begin()
    raw = Asked(QUESTIONS[0], max_new_tokens=6, raw=True, log_probabilities=2)

    events = ask_and_wait(raw)

    told = [event for event in events if event["kind"] == "token"]
    made = [token for event in told for token in event["tokens"]]
    done = one(events, "done")
    assert len(made) == done["tokens"] and done["finish"] in {"stop", "length"}
    assert (len(made) == 6) == (done["finish"] == "length")
    for token in made:
        assert token["log_probability"] == max(token["alternatives"].values())
    ids = tuple(token["id"] for token in made)
    score = one(ask_and_wait(replace(raw, score=ids)), "score")
    assert score["greedy"] and [token["id"] for token in score["tokens"]] == list(ids)
    gains = [token["log_probability"] for token in made]
    assert score["log_probability"] == pytest.approx(sum(gains), abs=1e-3)

    base = load_base(str(POCKET), device="cpu")
    prompt = base.tokenizer(QUESTIONS[0])["input_ids"]
    assert done["prompt_tokens"] == len(prompt)
    echoed = ask_and_wait(Asked((*prompt, *ids), max_new_tokens=0, echo=True, log_probabilities=1))
    told = one(echoed, "prompt")["tokens"]
    assert [token["id"] for token in told] == [*prompt, *ids]
    assert told[0]["log_probability"] is None
    assert "".join(token["text"] for token in told).lstrip().startswith(QUESTIONS[0])
    # Only where the whole text is routed as the prompt was do the same experts read it.
    assert all(token["log_probability"] <= 0 for token in told[1:])
    assert kinds(echoed) == ["route", "prompt", "done"]


def test_an_answer_ends_before_a_stop_text_and_is_drawn_by_its_seed(begin: Begin) -> None:
    begin()
    plain = text_of(ask_and_wait(Asked(QUESTIONS[0], max_new_tokens=12)))
    assert len(plain) > 2
    stopped = ask_and_wait(Asked(QUESTIONS[0], max_new_tokens=12, stop=(plain[2:4],)))
    assert text_of(stopped) == plain[: plain.index(plain[2:4])].rstrip()
    assert one(stopped, "done")["finish"] == "stop"
    drawn = [
        text_of(ask_and_wait(Asked(QUESTIONS[0], 12, temperature=2.0, seed=seed)))
        for seed in (1, 1, 2)
    ]
    assert drawn[0] == drawn[1] != drawn[2]
    cold = Asked(QUESTIONS[0], 12, temperature=2.0, top_p=1e-6)
    assert text_of(ask_and_wait(cold)) == plain


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        (Asked("hello", max_new_tokens=0), "one new token"),
        (Asked("hello", temperature=-1), "temperature"),
        (Asked("hello", top_p=0), "top_p"),
        (Asked("hello", log_probabilities=10**6), "alternatives"),
        (Asked((1,) * 5000), "5000 tokens"),
        (Asked((10**9,)), "no token of such a number"),
        (Asked("", raw=True), "0 tokens"),
        (Asked("hello", score=""), "0 tokens"),
    ],
)
def test_what_cannot_be_asked_is_said_to_whoever_asked(
    begin: Begin, asked: Asked, why: str
) -> None:
    begin()
    events = ask_and_wait(asked)
    assert kinds(events) == ["error"]
    assert events[0]["fault"] == "asker" and why in events[0]["message"]


def test_experts_can_be_left_out(begin: Begin, compose: Compose) -> None:
    experts = compose(Mixture)
    begin()
    without = (experts[0].pk,)
    events = ask_and_wait(Asked(QUESTIONS[0], max_new_tokens=4, without=without))
    named = set(names_of(one(events, "done")["credit"]))
    assert named == {"", experts[1].name, experts[2].name}
    both = Asked(QUESTIONS[0], 4, without=without, only=(experts[0].pk, experts[1].pk))
    assert set(names_of(one(ask_and_wait(both), "done")["credit"])) == {"", experts[1].name}


def test_nobody_goes_on_writing_for_an_asker_who_has_left(
    begin: Begin, compose: Compose, line: "redis.Redis"
) -> None:
    compose(Mixture)
    process = begin()

    async def leave() -> None:
        events = ask(Asked(QUESTIONS[0], max_new_tokens=120))
        async for _ in events:
            break
        await events.aclose()

    asyncio.run(leave())
    assert not line.keys(answer_key("*"))
    until(lambda: not process._in_hand)
    assert kinds(ask_and_wait(Asked(QUESTIONS[0], max_new_tokens=2)))[-1] == "done"


def test_an_expert_that_leaves_while_it_answers_goes_with_its_answer(
    begin: Begin, compose: Compose
) -> None:
    leaver, *_ = compose(Mixture)
    process = begin()
    whole = text_of(ask_and_wait(Asked(QUESTIONS[0], max_new_tokens=100)))
    began = threading.Event()

    async def slowly() -> list[Event]:
        events = []
        async for event in ask(Asked(QUESTIONS[0], max_new_tokens=100)):
            events.append(event)
            began.set()
        return events

    with ThreadPoolExecutor(1) as other:
        answer = other.submit(asyncio.run, slowly())
        assert began.wait(20)
        expert_withdraw(actor=leaver.owner, expert=leaver, reason="")
        events = answer.result()
    assert kinds(events)[-1] == "done" and text_of(events) == whole
    until(lambda: process.served is not None and str(leaver.pk) not in process.served.pool.names)


def test_questions_of_one_moment_are_each_answered_by_those_they_ask_for(
    line: "redis.Redis", people: tuple[User, User], compose: Compose
) -> None:
    experts = compose(Mixture)
    process = ServingProcess(connect())
    process.look_at_rows()
    line.set(ALIVE, "1")
    wishes = [[], [experts[1].pk], [], [experts[1].pk, experts[2].pk], [10**6]]
    with ThreadPoolExecutor(len(wishes)) as crowd:
        asked = [
            crowd.submit(ask_and_wait, Asked(QUESTIONS[0], max_new_tokens=4, only=tuple(only)))
            for only in wishes
        ]
        until(lambda: line.zcard(WAITING) == len(wishes))
        thread = threading.Thread(target=process.run)
        thread.start()
        done = [one(question.result(), "done") for question in asked]
        process.stop()
        thread.join()

    every = {"", *(expert.name for expert in experts)}
    owed = [set(names_of(one_["credit"])) for one_ in done]
    assert owed == [every, {"", experts[1].name}, every, every - {experts[0].name}, {""}]
