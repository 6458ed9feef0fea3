"""Talking to the model: the page without JavaScript, the socket, and everything that may fail."""

import json
import re
from typing import Any

import pytest
import redis
from django.test import Client

from tests.factories import make_user
from tests.training_workers.conftest import Serve
from tests.training_workers.makers import make_live_release
from tests.training_workers.sockets import Page
from training_workers.serving.wire import ALIVE, MOST_WAITING, QUESTIONS, Event
from training_workers.talking import LONGEST_QUESTION, QUESTIONS_A_MINUTE

BIKES = {"id": 7, "name": "Bike <repair>", "owner": "Bob", "owner_id": 2}
OWLS = {"id": 9, "name": "Owls & co", "owner": "Ada <3", "owner_id": 5}
ROUTE: Event = {
    "kind": "route",
    "release": 3,
    "strategy": "nearest",
    "level": "routing",
    "expert": BIKES,
    "experts": [],
    "confidence": 0.875,
    "reason": "It answered 4 of the 5 most similar examples.",
    "neighbours": [
        {"prompt": "how do I mend a tube", "similarity": 0.91, "right": ["Bike <repair>"]},
        {"prompt": "when is the library open", "similarity": 0.2, "right": []},
    ],
}
BASE_ALONE: Event = {
    "kind": "route",
    "release": None,
    "strategy": None,
    "level": None,
    "expert": None,
    "experts": [],
    "confidence": 1.0,
    "reason": "No release is live yet, so the base answers alone.",
    "neighbours": [],
}
DONE: Event = {
    "kind": "done",
    "tokens": 2,
    "seconds": 0.4,
    "credit": [{"expert": BIKES, "share": 1.0}],
    "steps": [],
    "generations": 1,
}
ANSWER: list[Event] = [
    ROUTE,
    {"kind": "token", "text": "patch"},
    {"kind": "token", "text": " <b>it"},
    DONE,
]
CHAIN: list[Event] = [
    ROUTE | {"strategy": "chain", "level": "text"},
    {"kind": "token", "text": "Port Anna"},
    DONE
    | {
        "credit": [{"expert": OWLS, "share": 0.5}, {"expert": None, "share": 0.5}],
        "steps": [
            {"expert": OWLS, "asked": "the keeper <of> the owl", "answered": "Anna & co"},
            {"expert": None, "asked": "where does Anna & co live", "answered": "Port Anna"},
        ],
        "generations": 3,
    },
]
VOTE: list[Event] = [
    ROUTE | {"strategy": "vote", "level": "text"},
    {"kind": "token", "text": "four"},
    DONE
    | {
        "credit": [{"expert": OWLS, "share": 1.0}],
        "steps": [
            {"expert": BIKES, "asked": "how many <legs>", "answered": "<three>"},
            {"expert": OWLS, "asked": "how many <legs>", "answered": "four"},
        ],
        "generations": 2,
    },
]
MIXTURE: list[Event] = [
    ROUTE | {"strategy": "mixture", "level": "logit", "experts": [BIKES, OWLS]},
    {"kind": "token", "text": "gr", "shares": {"7": 0.625, "9": 0.375}},
    {"kind": "token", "text": "ey", "shares": {"7": 0.125, "9": 0.875}},
    {"kind": "token", "text": " <sky>", "shares": {"": 0.75, "7": 0.24999, "9": 0.00001}},
    DONE
    | {
        "credit": [
            {"expert": OWLS, "share": 0.41667},
            {"expert": BIKES, "share": 0.33333},
            {"expert": None, "share": 0.25},
        ]
    },
]


def words_of(page: str) -> str:
    """A page's text as it is read: without tags, spaces put together."""
    return " ".join(re.sub(r"<[^>]*>", " ", page).split())


def ask(client: Client, prompt: str, status: int = 200) -> str:
    response = client.post("/talk/", {"prompt": prompt})
    assert response.status_code == status
    return response.content.decode()


@pytest.mark.django_db
class TestPage:
    def test_names_the_live_release_and_its_experts(self, client: Client) -> None:
        release = make_live_release(make_user("ada"), make_user("vera", steward=True))

        text = client.get("/talk/").content.decode()

        assert "release 1" in text
        for member in release.members.all():
            assert member.expert.name in text

    def test_offers_open_probes_to_begin_with_and_takes_one_over(self, client: Client) -> None:
        # One expert: two priorities of the factory ask the same, and a lot seals one's probes.
        release = make_live_release(make_user("ada"), make_user("vera", steward=True), experts=1)
        probes = release.members.all()[0].expert.priority.probes
        known = probes.filter(part="fit").order_by("id")[0].prompt

        text = client.get("/talk/").content.decode()
        taken = client.get("/talk/", {"ask": "<what> now"}).content.decode()

        assert f">{known}</a>" in text
        for sealed in probes.filter(part="sealed"):
            assert f">{sealed.prompt}</a>" not in text
        assert "&lt;what&gt; now</textarea>" in taken

    def test_says_when_only_the_base_answers(self, client: Client) -> None:
        assert "No release is live yet" in client.get("/talk/").content.decode()

    def test_answers_without_javascript(self, client: Client, serve: Serve) -> None:
        questions = serve(ANSWER)

        text = ask(client, "  my tyre is flat  ")

        assert [question.prompt for question in questions] == ["my tyre is flat"]
        assert "my tyre is flat" in text
        assert "patch &lt;b&gt;it" in text
        assert "Bike &lt;repair&gt;" in text and "Bob" in text and "87.5 %" in text
        assert "It answered 4 of the 5 most similar examples." in text
        assert "how do I mend a tube" in text and "nobody" in text
        assert 'class="turn turn--model tile-2"' in text

    def test_the_base_alone_is_said_so(self, client: Client, serve: Serve) -> None:
        serve([BASE_ALONE, *ANSWER[1:-1], DONE | {"credit": [{"expert": None, "share": 1.0}]}])

        assert "The base alone" in ask(client, "hello")

    def test_a_chain_is_told_step_by_step_and_credits_all_its_links(
        self, client: Client, serve: Serve
    ) -> None:
        serve(CHAIN)

        text = words_of(ask(client, "where does the keeper <of> the owl live"))

        assert "Several together Port Anna" in text
        assert "Bike &lt;repair&gt; by Bob" not in text
        assert "Owls &amp; co by Ada &lt;3 50 %" in text and "the base 50 %" in text
        assert (
            "On the way: Owls &amp; co by Ada &lt;3 was asked “the keeper &lt;of&gt; the owl” "
            "and said “Anna &amp; co”; then the base was asked “where does Anna &amp; co live” "
            "and said “Port Anna”"
        ) in text
        assert "A part of the question was asked first." in text
        assert "3 generations" in text

    def test_a_vote_says_who_said_what_and_whom_it_is_owed_to(
        self, client: Client, serve: Serve
    ) -> None:
        serve(VOTE)

        text = words_of(ask(client, "how many <legs>"))

        assert "Several together four" in text
        assert "Owed to: Owls &amp; co by Ada &lt;3 100 %" in text
        assert "Bike &lt;repair&gt; by Bob said “&lt;three&gt;”" in text
        assert "Owls &amp; co by Ada &lt;3 said “four”" in text
        assert "was asked" not in text

    def test_a_mixture_marks_each_word_with_whoever_had_the_largest_share(
        self, client: Client, serve: Serve
    ) -> None:
        serve(MIXTURE)

        page = ask(client, "what colour is it")

        # Two pieces make a word: it is owed to the mean of both.
        assert (
            '<span class="word tile-5" title="Owls &amp; co 62.5 %, Bike &lt;repair&gt; 37.5 %">'
            'grey</span> <span class="word" title="the base 75 %, Bike &lt;repair&gt; 25 %">'
            "&lt;sky&gt;</span>"
        ) in page
        text = words_of(page)
        assert "Word by word Word Owed to grey Owls &amp; co 62.5 %, Bike &lt;repair&gt;" in text
        assert "Owls &amp; co by Ada &lt;3 41.7 %" in text and "the base 25 %" in text
        assert 'class="turn turn--model"' in page

    @pytest.mark.parametrize("level", ["text", "logit"])
    def test_who_answers_alone_after_all_is_named_as_such(
        self, client: Client, serve: Serve, level: str
    ) -> None:
        serve([ROUTE | {"strategy": "any", "level": level}, *ANSWER[1:]])

        text = words_of(ask(client, "hello"))

        assert "Bike &lt;repair&gt; by Bob (chosen with a confidence of 87.5 %)" in text
        assert "Several" not in text and "Owed to" not in text

    def test_a_merge_is_nobodys_alone_even_if_it_owes_to_one(
        self, client: Client, serve: Serve
    ) -> None:
        route = ROUTE | {"strategy": "soup", "level": "weight", "expert": None, "reason": "Merged."}
        serve([route, *ANSWER[1:]])

        text = words_of(ask(client, "hello"))

        assert "One model, merged from experts patch" in text
        assert "Owed to: Bike &lt;repair&gt; by Bob 100 %" in text and "Merged." in text

    def test_an_error_in_the_middle_keeps_what_came(self, client: Client, serve: Serve) -> None:
        serve([ROUTE, ANSWER[1], {"kind": "error", "message": "The worker ran out of memory."}])

        text = ask(client, "hello")

        assert "patch" in text
        assert "The worker ran out of memory." in text

    def test_nobody_serves(self, client: Client, line: "redis.Redis") -> None:
        assert "The model is not being served right now." in ask(client, "hello")

    def test_the_line_is_down(self, client: Client, settings: Any) -> None:
        settings.REDIS_URL = "unix:///nowhere/redis.sock"

        assert "The line to the model broke." in ask(client, "a question with the line down")

    def test_too_many_wait(self, client: Client, line: "redis.Redis") -> None:
        line.set(ALIVE, "1")
        line.zadd(QUESTIONS, {f"{number} somebody": number for number in range(MOST_WAITING)})

        assert "busy" in ask(client, "hello")

    def test_an_empty_question(self, client: Client, serve: Serve) -> None:
        questions = serve(ANSWER)

        assert "Write a question first." in ask(client, "  \n ")
        assert questions == []

    def test_a_question_that_is_too_long_is_kept_in_the_field(
        self, client: Client, serve: Serve
    ) -> None:
        questions = serve(ANSWER)
        prompt = "z" * (LONGEST_QUESTION + 1)

        text = ask(client, prompt)

        assert "4,001 characters" in text and f">{prompt}</textarea>" in text
        assert questions == []

    def test_a_question_too_many_within_a_minute(self, client: Client, serve: Serve) -> None:
        questions = serve([BASE_ALONE, DONE])
        client.force_login(make_user("ada"))

        # Two minutes' worth, so that one minute's limit is passed even across its end.
        texts = [ask(client, "hello") for _ in range(2 * QUESTIONS_A_MINUTE + 1)]

        assert any("30 questions within a minute" in text for text in texts)
        assert len(questions) <= 2 * QUESTIONS_A_MINUTE
        # Somebody else is not held up.
        client.force_login(make_user("bob"))
        assert "within a minute" not in ask(client, "hello")


@pytest.mark.django_db(transaction=True)
class TestSocket:
    async def page(self, address: str = "192.0.2.1") -> Page:
        page = Page("/ws/talk/", address=address)
        assert await page.connects()
        return page

    async def test_an_answer_comes_word_by_word_with_who_and_why(self, serve: Serve) -> None:
        serve(ANSWER)
        page = await self.page()

        await page.says(prompt="my tyre is flat")
        pieces = await page.hears_until("Why this answer came from here")
        await page.leaves()

        accepted, asked, routed, first, second, final = pieces
        assert 'id="talk-refusal"' in accepted
        assert 'hx-swap-oob="beforeend:#talk-log"' in asked
        assert "my tyre is flat" in asked and "turn--waiting" in asked
        assert "Bike &lt;repair&gt;" in routed and "turn--waiting" in routed
        assert ">patch</span>" in first and "-text" in first
        assert "> &lt;b&gt;it</span>" in second
        assert "patch &lt;b&gt;it" in final and "turn--waiting" not in final

    async def test_words_come_in_the_colour_of_whoever_has_the_largest_share(
        self, serve: Serve
    ) -> None:
        serve(MIXTURE)
        page = await self.page()

        await page.says(prompt="what colour is it")
        *_, routed, first, second, third, final = await page.hears_until("Word by word")
        await page.leaves()

        assert "Asking those who may know" in routed and "Bike" not in routed
        assert '<span class="word tile-2" title="Bike &lt;repair&gt; 62.5 %' in first
        assert 'class="word tile-5"' in second and ">ey</span>" in second
        assert '<span class="word" title="the base 75 %' in third
        assert "Several together" in final and ">grey</span>" in final

    async def test_nobody_serves(self, line: "redis.Redis") -> None:
        page = await self.page()

        await page.says(prompt="hello")

        assert (await page.hears_until("not being served"))[-1].count("hx-swap-oob") == 1
        await page.leaves()

    async def test_an_error_in_the_middle(self, serve: Serve) -> None:
        serve([ROUTE, ANSWER[1], {"kind": "error", "message": "The worker ran out of memory."}])
        page = await self.page()

        await page.says(prompt="hello")
        last = (await page.hears_until("The worker ran out of memory."))[-1]

        assert "patch" in last
        await page.leaves()

    @pytest.mark.parametrize("prompt", ["", "   ", "z" * (LONGEST_QUESTION + 1), 7, None])
    async def test_what_is_no_question_is_refused_in_words(
        self, line: "redis.Redis", prompt: Any
    ) -> None:
        page = await self.page()

        await page.says(prompt=prompt)

        refusal = await page.hears()
        assert 'id="talk-refusal"' in refusal
        assert "Write a question first." in refusal or "Shorten it" in refusal
        assert line.zcard(QUESTIONS) == 0
        await page.leaves()

    async def test_what_is_no_message_is_refused_too(self, line: "redis.Redis") -> None:
        page = await self.page()

        for text in ("not json", json.dumps(["prompt"])):
            await page.wire.send_input({"type": "websocket.receive", "text": text})
            assert "Write a question first." in await page.hears()
        await page.leaves()

    async def test_one_question_at_a_time(self, serve: Serve) -> None:
        questions = serve([ROUTE])
        page = await self.page()

        await page.says(prompt="first")
        await page.hears_until("Bike &lt;repair&gt;")
        await page.says(prompt="second")

        assert "One question at a time" in await page.hears()
        await page.leaves()
        assert [question.prompt for question in questions] == ["first"]

    async def test_a_question_too_many_within_a_minute(self, line: "redis.Redis") -> None:
        page = await self.page(address="192.0.2.77")

        heard = []
        for _ in range(2 * QUESTIONS_A_MINUTE + 1):
            await page.says(prompt="hello")
            answer = await page.hears()
            heard.append(answer)
            if "within a minute" not in answer:
                await page.hears_until("not being served")
        await page.leaves()

        assert any("30 questions within a minute" in piece for piece in heard)
