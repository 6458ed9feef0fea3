"""The OpenAI-compatible API: who gets in, what is refused and how, and what each strategy tells."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
import redis
from django.test import Client
from pytest_django.fixtures import Settings
from redis import asyncio as async_redis

from mosaic_site.members.models import Scope, User
from mosaic_site.members.tokens import token_make
from tests.factories import make_user
from tests.training_workers.composed import QUESTIONS
from tests.training_workers.conftest import Begin, Compose
from training_workers.engine.routing import Router
from training_workers.engine.strategies import Strategy
from training_workers.engine.strategies.ties import Ties
from training_workers.engine.strategies.vote import Vote
from training_workers.serving.line import Full, Place
from training_workers.serving.wire import ALIVE, Asked

pytestmark = pytest.mark.django_db(transaction=True)

CHAT, COMPLETIONS = "/v1/chat/completions", "/v1/completions"
MESSAGES = [{"role": "user", "content": "hello"}]


@pytest.fixture
def secret(people: tuple[User, User]) -> str:
    """Of ada's token, which may talk."""
    return token_make(member=people[0], name="talk", scopes=[Scope.TALK], days=1)[1]


Send = Callable[..., tuple[int, dict[str, Any], Any]]


@pytest.fixture
def send(secret: str) -> Send:
    """POST a request. Returns status, body and headers."""

    def post(path: str = CHAT, body: Any = None, **changes: Any) -> tuple[int, dict[str, Any], Any]:
        fields = {"messages": MESSAGES} if path == CHAT else {"prompt": "hello"}
        content = {"model": "mosaic", "temperature": 0, "max_tokens": 4, **fields, **changes}
        response = Client(headers={"Authorization": f"Bearer {secret}"}).post(
            path, content if body is None else body, content_type="application/json"
        )
        return response.status_code, json.loads(response.content), response.headers

    return post


def models(secret: str) -> tuple[int, Any]:
    response = Client(headers={"Authorization": f"Bearer {secret}"}).get("/v1/models")
    return response.status_code, response.json()


@pytest.mark.parametrize("path", ["/v1/models", CHAT, COMPLETIONS, "/v1/embeddings"])
def test_nobody_gets_in_without_a_token(client: Client, path: str) -> None:
    client.force_login(make_user())
    response = client.get(path) if path == "/v1/models" else client.post(path)

    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"] == 'Bearer error="invalid_token"'
    error = response.json()["error"]
    assert (error["type"], error["code"]) == ("invalid_request_error", "invalid_api_key")


def test_what_is_not_here_is_said_so_that_a_client_reads_it(send: Send, secret: str) -> None:
    status, body, _ = send("/v1/embeddings")
    assert (status, body["error"]["code"]) == (404, "unknown_url")

    response = Client(headers={"Authorization": f"Bearer {secret}"}).get(CHAT)
    assert response.status_code == 405 and response.headers["Allow"] == "POST"
    assert "POST" in response.json()["error"]["message"]


@pytest.mark.parametrize(
    ("path", "changes", "param"),
    [
        (CHAT, {"model": None}, "model"),
        (CHAT, {"messages": []}, "messages"),
        (CHAT, {"messages": "hello"}, "messages"),
        (CHAT, {"messages": [{"role": "user", "content": " "}]}, "messages"),
        (CHAT, {"messages": [{"role": "queen", "content": "hi"}]}, "messages[0].role"),
        (CHAT, {"messages": [*MESSAGES, {"role": "user"}]}, "messages[1].content"),
        (CHAT, {"messages": [MESSAGES[0] | {"tool_calls": [{}]}]}, "messages[0].tool_calls"),
        (
            CHAT,
            {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]},
            "messages[0].content",
        ),
        (CHAT, {"temperature": "hot"}, "temperature"),
        (CHAT, {"temperature": 3}, "temperature"),
        (CHAT, {"top_p": 0}, "top_p"),
        (CHAT, {"n": 0}, "n"),
        (CHAT, {"n": 65}, "n"),
        (CHAT, {"max_tokens": 0}, "max_tokens"),
        (CHAT, {"top_logprobs": 2}, "top_logprobs"),
        (CHAT, {"stop": [""]}, "stop[0]"),
        (CHAT, {"seed": "x"}, "seed"),
        (CHAT, {"experts": 3}, "experts"),
        (CHAT, {"experts": {"include": []}}, "experts.include"),
        (CHAT, {"experts": {"exclude": ["Ada's"]}}, "experts.exclude[0]"),
        (CHAT, {"top_k": 3}, "top_k"),
        (CHAT, {"best_of": 2}, "best_of"),
        (COMPLETIONS, {"prompt": ""}, "prompt"),
        (COMPLETIONS, {"prompt": ["hello", 3]}, "prompt"),
        (COMPLETIONS, {"prompt": [-1]}, "prompt"),
        (COMPLETIONS, {"prompt": ["hello"] * 33, "n": 2}, "n"),
        (COMPLETIONS, {"max_tokens": 0}, "max_tokens"),
        (COMPLETIONS, {"logprobs": 21}, "logprobs"),
        (COMPLETIONS, {"suffix": "end"}, "suffix"),
        (COMPLETIONS, {"messages": MESSAGES}, "messages"),
    ],
)
def test_what_is_wrong_is_named(send: Send, path: str, changes: dict[str, Any], param: str) -> None:
    status, body, _ = send(path, **changes)

    assert (status, body["error"]["param"]) == (400, param)
    assert body["error"]["message"]


def test_what_asks_for_nothing_is_no_mistake(send: Send, begin: Begin) -> None:
    begin()
    nothing: dict[str, Any] = {
        "tools": [], "tool_choice": None, "response_format": {"type": "text"}, "user": "ada",
        "presence_penalty": 0, "frequency_penalty": 0.0, "logit_bias": {}, "stop": None,
        "seed": None, "store": False, "metadata": {"a": "b"}, "stream_options": None,
    }  # fmt: skip

    status, body, _ = send(**nothing)

    assert status == 200
    assert body["model"] == "mosaic/base"  # no release is live
    assert body["choices"][0]["mosaic"]["credit"] == [
        {"expert": None, "name": None, "owner": None, "share": 1.0}
    ]


@pytest.mark.parametrize(
    ("body", "status"), [("{", 400), ("[]", 400), ('"hello"', 400), (" " * 3_000_000, 413)]
)
def test_a_body_that_is_no_request_is_refused(send: Send, body: str, status: int) -> None:
    found, said, _ = send(body=body)

    assert found == status and said["error"]["message"]


def test_the_list_tells_what_there_is(
    secret: str, people: tuple[User, User], compose: Compose
) -> None:
    before = {model["id"] for model in models(secret)[1]["data"]}
    experts = compose(lambda router: Vote(router, team=3))

    status, body = models(secret)

    assert status == 200 and before == {"mosaic", "mosaic/base"}
    assert {model["id"] for model in body["data"]} == {
        "mosaic", "mosaic-1", "mosaic/base", *(f"mosaic/expert-{one.pk}" for one in experts)
    }  # fmt: skip
    assert {model["object"] for model in body["data"]} == {"model"}


def test_without_a_base_nothing_is_served() -> None:
    _, secret = token_make(member=make_user(), name="talk", scopes=[Scope.TALK], days=1)

    status, body = models(secret)

    assert (status, body["error"]["type"]) == (503, "server_error")


def test_a_member_may_ask_so_much_in_a_minute(
    send: Send, line: "redis.Redis", settings: Settings
) -> None:
    settings.MOSAIC_API_QUESTIONS_A_MINUTE = 2

    status, body, headers = send(n=3)

    assert (status, body["error"]["code"]) == (429, "rate_limit_exceeded")
    assert body["error"]["type"] == "rate_limit_error"
    assert 1 <= int(headers["Retry-After"]) <= 60


def test_where_nobody_serves_it_is_said(send: Send, line: "redis.Redis") -> None:
    for stream in (False, True):
        status, body, headers = send(stream=stream)
        assert (status, body["error"]["code"]) == (503, "not_served")
        assert int(headers["Retry-After"]) > 0


def test_where_many_wait_it_is_said(send: Send, line: "redis.Redis", redis_server: str) -> None:
    line.set(ALIVE, "1")

    async def crowd() -> None:
        async with async_redis.Redis.from_url(redis_server, decode_responses=True) as connection:
            for number in range(1000):
                await Place(Asked("hello", asker=f"account.{10**6 + number}")).join(connection)

    with pytest.raises(Full):
        asyncio.run(crowd())
    status, body, headers = send()

    assert (status, body["error"]["code"]) == (503, "overloaded")
    assert int(headers["Retry-After"]) > 0


def ties(router: Router) -> Strategy:
    return Ties(dict.fromkeys(router.table.experts, 1.0))


def vote(router: Router) -> Strategy:
    return Vote(router, team=3)


def test_an_answer_of_several_steps_tells_them(send: Send, compose: Compose, begin: Begin) -> None:
    experts = compose(vote)
    begin()

    status, body, _ = send(messages=[{"role": "user", "content": QUESTIONS[0]}], logprobs=True)

    (choice,) = body["choices"]
    assert status == 200 and choice["mosaic"]["strategy"] == "vote"
    assert {step["expert"] for step in choice["mosaic"]["steps"]} == {one.pk for one in experts}
    assert {step["asked"] for step in choice["mosaic"]["steps"]} == {QUESTIONS[0]}
    assert choice["logprobs"]["content"] == []  # it has no distribution of its own


def test_a_merge_tells_whom_it_owes_to(send: Send, compose: Compose, begin: Begin) -> None:
    compose(ties)
    begin()

    status, body, _ = send(COMPLETIONS, prompt=QUESTIONS[0], echo=True, logprobs=1)

    (choice,) = body["choices"]
    assert status == 200 and choice["mosaic"]["level"] == "weight"
    assert sum(owed["share"] for owed in choice["mosaic"]["credit"]) == pytest.approx(1)
    assert choice["text"].startswith(QUESTIONS[0])
    tokens = body["usage"]["prompt_tokens"] + body["usage"]["completion_tokens"]
    assert len(choice["logprobs"]["token_logprobs"]) == tokens


def test_an_expert_that_left_is_asked_no_more(send: Send, compose: Compose, begin: Begin) -> None:
    experts = compose(vote)
    gone = f"mosaic/expert-{experts[0].pk + 10**6}"
    begin()

    assert send(model=gone)[0] == 404
    status, body, _ = send(model=f"mosaic/expert-{experts[0].pk}")
    assert status == 200
    assert [owed["expert"] for owed in body["choices"][0]["mosaic"]["credit"]] == [experts[0].pk]
