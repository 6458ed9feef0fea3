"""The OpenAI-compatible API of a running site, by OpenAI's own client and lm-evaluation-harness."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import openai
import pytest
import redis
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

from contributions.models import Expert
from mosaic_site.members.models import Scope
from mosaic_site.members.tokens import token_make
from mosaic_site.settings.paths import redis_socket
from mosaic_site.supervisor import Stack
from mosaic_site.supervisor.stack import REPOSITORY
from tests.factories import make_user
from tests.site.stack import act, eventually, hang
from tests.training_workers.composed import QUESTIONS, compose_at_random
from training_workers.engine.base_facts import POCKET
from training_workers.engine.data import SEPARATOR
from training_workers.engine.strategies.mixture import Mixture

pytestmark = pytest.mark.slow

TEXT = "the sky is blue and the cat has four legs"
UNSUPPORTED = {"tools": [{"type": "function"}], "response_format": {"type": "json_object"},
               "frequency_penalty": 1.0, "logit_bias": {"5": 1}}  # fmt: skip
NOWHERE = 10**6


def set_up() -> dict[str, Any]:
    """A member with two tokens, and a live release of three random experts that all have a say."""
    ada = make_user("ada")
    experts = compose_at_random(ada, make_user("vera", steward=True), Mixture)
    _, secret = token_make(member=ada, name="talk", scopes=[Scope.TALK], days=1)
    _, other = token_make(member=ada, name="other", scopes=[Scope.DATASETS_WRITE], days=1)
    return {
        "secret": secret,
        "other": other,
        "experts": [expert.pk for expert in experts],
        "adapters": [str(expert.adapter_path) for expert in experts],
    }


def leave(pk: int) -> None:
    """Withdraw an expert for good."""
    from contributions.actions import expert_withdraw

    expert = Expert.objects.get(pk=pk)
    expert_withdraw(actor=expert.owner, expert=expert, reason="")


@dataclass(frozen=True)
class Site:
    """A running site, and what its programs need."""

    stack: Stack
    secret: str
    other: str
    experts: list[int]
    adapters: list[str]

    @property
    def url(self) -> str:
        return f"{self.stack.url}/v1"

    def client(self, secret: str = "") -> openai.OpenAI:
        return openai.OpenAI(base_url=self.url, api_key=secret or self.secret, max_retries=0)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    home = tmp_path_factory.mktemp("site")
    stack = Stack(home, services=("redis", "web", "serving"), env={"MOSAIC_DEMO": "1"})
    with ExitStack() as cleanup:
        cleanup.callback(stack.stop)
        try:
            stack.start_pages()
        except OSError as reason:
            pytest.skip(f"no site can start on this machine: {reason}")
        stack.manage("register_base")
        site = Site(stack, **act(stack, set_up))
        stack.start_workers()
        eventually("the release is served", lambda: _is_served(site), every=1.0)
        yield site


def _is_served(site: Site) -> bool:
    try:
        return bool(site.client().completions.create(model="mosaic", prompt="a", max_tokens=1))
    except openai.InternalServerError:
        return False


@pytest.fixture
def client(site: Site) -> Iterator[openai.OpenAI]:
    with site.client() as client:
        yield client


def ask(client: openai.OpenAI, text: str = QUESTIONS[0], **options: Any) -> Any:
    asked: dict[str, Any] = {"model": "mosaic", "temperature": 0, "max_tokens": 8} | options
    return client.chat.completions.create(messages=[{"role": "user", "content": text}], **asked)


def go_on(client: openai.OpenAI, prompt: Any = TEXT, **options: Any) -> Any:
    asked: dict[str, Any] = {"model": "mosaic", "temperature": 0, "max_tokens": 8} | options
    return client.completions.create(prompt=prompt, **asked)


def plainly(text: str, adapter: str | None) -> tuple[list[int], torch.Tensor]:
    """Token ids of a text, and the log-probability of each after those before it, (ids - 1,) by
    transformers and peft alone; also what would come next most likely, last."""
    tokenizer = AutoTokenizer.from_pretrained(POCKET)
    model: Any = AutoModelForCausalLM.from_pretrained(POCKET)
    if adapter is not None:
        model = PeftModel.from_pretrained(model, adapter)
    ids = tokenizer(text)["input_ids"]
    with torch.inference_mode():
        logits = model.eval()(torch.tensor([ids])).logits[0, :, : len(tokenizer)].float()
    return ids, logits.log_softmax(dim=-1)


class TestModels:
    def test_those_that_can_be_asked_now_are_listed_and_each_can_be(
        self, site: Site, client: openai.OpenAI
    ) -> None:
        models = {model.id: model for model in client.models.list()}

        assert set(models) == {
            "mosaic", "mosaic-1", "mosaic/base", *(f"mosaic/expert-{pk}" for pk in site.experts)
        }  # fmt: skip
        assert models["mosaic"].max_model_len == 1024  # type: ignore[attr-defined]
        assert models[f"mosaic/expert-{site.experts[0]}"].owned_by == "ada"
        for name in models:
            assert client.models.retrieve(name).id == name
            assert go_on(client, model=name, max_tokens=1).usage.completion_tokens == 1

    def test_one_that_is_not_there_is_not_found(self, client: openai.OpenAI) -> None:
        for name in ("gpt-4o", "mosaic-2", f"mosaic/expert-{NOWHERE}"):
            with pytest.raises(openai.NotFoundError) as refused:
                ask(client, model=name)
            assert refused.value.code == "model_not_found"
            with pytest.raises(openai.NotFoundError):
                client.models.retrieve(name)


class TestChat:
    def test_an_answer_says_whom_it_is_owed_to(self, site: Site, client: openai.OpenAI) -> None:
        answer = ask(client)

        (choice,) = answer.choices
        assert choice.message.role == "assistant" and choice.message.content
        assert answer.model == answer.system_fingerprint == "mosaic-1"
        owed = choice.mosaic
        assert (owed["release"], owed["strategy"], owed["level"]) == (1, "mixture", "logit")
        assert owed["route"]["expert"] == site.experts[0]
        assert {one["expert"] for one in owed["credit"]} == {None, *site.experts}
        assert {one["owner"] for one in owed["credit"]} == {None, "ada"}
        assert sum(one["share"] for one in owed["credit"]) == pytest.approx(1)

    def test_usage_counts_the_tokens(self, client: openai.OpenAI) -> None:
        tokenizer = AutoTokenizer.from_pretrained(POCKET)

        answer = ask(client, n=2, max_tokens=2)

        usage = answer.usage
        assert [choice.finish_reason for choice in answer.choices] == ["length", "length"]

        assert usage.prompt_tokens == len(tokenizer(QUESTIONS[0] + SEPARATOR)["input_ids"])
        assert usage.completion_tokens == 4
        assert usage.total_tokens == usage.prompt_tokens + 4

    def test_a_stream_says_the_same_word_by_word(self, client: openai.OpenAI) -> None:
        whole = ask(client)

        *chunks, last = ask(client, stream=True, stream_options={"include_usage": True})

        said = [chunk.choices[0] for chunk in chunks]
        assert "".join(one.delta.content or "" for one in said) == whole.choices[0].message.content
        assert said[0].delta.role == "assistant"
        assert {one.finish_reason for one in said[:-1]} == {None}
        assert said[-1].finish_reason == whole.choices[0].finish_reason
        assert said[-1].mosaic == whole.choices[0].mosaic
        for one in said[1:-1]:
            assert sum(share["share"] for share in one.mosaic["credit"]) == pytest.approx(1)
        assert last.choices == [] and last.usage == whole.usage
        assert {chunk.id for chunk in (*chunks, last)} == {chunks[0].id}

    def test_many_at_once_are_answered_as_one_by_one(
        self, site: Site, client: openai.OpenAI
    ) -> None:
        texts = [f"{question} {number}" for number in range(4) for question in QUESTIONS]
        alone = [ask(client, text).choices[0].message.content for text in texts]

        async def together() -> list[str]:
            async with openai.AsyncOpenAI(base_url=site.url, api_key=site.secret) as crowd:
                answers = await asyncio.gather(
                    *(
                        crowd.chat.completions.create(
                            model="mosaic",
                            messages=[{"role": "user", "content": text}],
                            temperature=0,
                            max_tokens=8,
                        )
                        for text in texts
                    )
                )
            return [answer.choices[0].message.content or "" for answer in answers]

        assert asyncio.run(together()) == alone

    def test_a_seed_draws_the_same_again(self, client: openai.OpenAI) -> None:
        def drawn(**options: Any) -> list[str]:
            answer = ask(client, temperature=1.5, max_tokens=16, **options)
            return [choice.message.content for choice in answer.choices]

        several = drawn(seed=7, n=3)

        assert len(set(several)) == 3
        assert drawn(seed=7, n=3) == several
        assert drawn(seed=7) == several[:1]
        assert drawn(seed=8) != several[:1]
        assert drawn() != drawn()

    def test_only_the_likeliest_token_is_drawn_where_top_p_is_small(
        self, client: openai.OpenAI
    ) -> None:
        greedy = ask(client).choices[0].message.content

        drawn = ask(client, temperature=2.0, top_p=1e-9, seed=3).choices[0].message.content

        assert drawn == greedy

    def test_an_answer_ends_before_a_stop_text(self, client: openai.OpenAI) -> None:
        text = ask(client, max_tokens=16).choices[0].message.content
        stop = text[len(text) // 2 :][:3]

        (choice,) = ask(client, max_tokens=16, stop=["never said", stop]).choices

        assert choice.message.content == text.split(stop)[0].rstrip()
        assert choice.finish_reason == "stop"

    def test_messages_become_the_prompt_that_experts_learn_from(
        self, client: openai.OpenAI
    ) -> None:
        talk: Any = [
            {"role": "system", "content": "Be brief. "},
            {"role": "user", "content": [{"type": "text", "text": "Which bike?"}]},
        ]
        flat = f"system: Be brief.\nuser: Which bike?{SEPARATOR}"

        answer = client.chat.completions.create(
            model="mosaic", messages=talk, temperature=0, max_tokens=8
        )

        assert answer.choices[0].message.content == go_on(client, flat).choices[0].text.strip()

    def test_log_probabilities_stand_with_each_token(self, client: openai.OpenAI) -> None:
        (choice,) = ask(client, logprobs=True, top_logprobs=3).choices

        tokens = choice.logprobs.content
        said = "".join(token.token for token in tokens).removesuffix("<|end|>")
        assert said.strip() == choice.message.content
        for token in tokens:
            assert len(token.top_logprobs) == 3
            assert token.top_logprobs[0].token == token.token  # greedy
            assert token.logprob == token.top_logprobs[0].logprob <= 0
        streamed = ask(client, logprobs=True, top_logprobs=3, stream=True)
        assert [
            token
            for chunk in streamed
            if chunk.choices[0].logprobs
            for token in chunk.choices[0].logprobs.content
        ] == tokens

    def test_experts_may_be_chosen_and_left_out(self, site: Site, client: openai.OpenAI) -> None:
        first, second, third = site.experts

        def credited(**experts: Any) -> set[int | None]:
            (choice,) = ask(client, extra_body={"experts": experts}).choices
            return {one["expert"] for one in choice.mosaic["credit"]}

        assert credited(include=[second]) == {None, second}
        assert credited(exclude=[second]) == {None, first, third}
        assert credited(include=[first, second], exclude=[first]) == {None, second}
        assert credited(exclude=site.experts) == {None}

    def test_one_that_is_called_by_name_answers_alone(
        self, site: Site, client: openai.OpenAI
    ) -> None:
        for name, whom in (
            (f"mosaic/expert-{site.experts[1]}", site.experts[1]),
            ("mosaic/base", None),
        ):
            (choice,) = ask(client, model=name).choices
            assert [one["expert"] for one in choice.mosaic["credit"]] == [whom]
            assert choice.mosaic["route"]["reason"] == "It was asked for by name."
            with pytest.raises(openai.BadRequestError, match="answers alone"):
                ask(client, model=name, extra_body={"experts": {"exclude": site.experts}})


class TestCompletions:
    def test_the_likelihood_of_a_text_is_that_of_a_plain_forward_pass(
        self, site: Site, client: openai.OpenAI
    ) -> None:
        answers = {}
        for name in ("mosaic/base", "mosaic"):
            (choice,) = go_on(client, model=name, max_tokens=0, echo=True, logprobs=2).choices
            ids, expected = plainly(TEXT, None)
            found = choice.logprobs
            assert choice.text == TEXT == "".join(found.tokens).strip()
            for at, token in list(zip(found.text_offset, found.tokens, strict=True))[1:]:
                assert TEXT[at:].startswith(token)
            assert found.token_logprobs[0] is found.top_logprobs[0] is None
            assert len(found.tokens) == len(ids)
            answers[name] = found.token_logprobs[1:]
        each = expected[torch.arange(len(ids) - 1), torch.tensor(ids[1:])]
        assert answers["mosaic/base"] == pytest.approx(each.tolist(), abs=1e-4)
        assert answers["mosaic"] != pytest.approx(each.tolist(), abs=1e-2)

    def test_an_answer_goes_on_exactly_where_the_prompt_ends(self, client: openai.OpenAI) -> None:
        (choice,) = go_on(client, model="mosaic/base", max_tokens=1).choices

        tokenizer = AutoTokenizer.from_pretrained(POCKET)
        _, expected = plainly(TEXT, None)
        assert choice.text == tokenizer.decode([int(expected[-1].argmax())])

    def test_token_ids_are_a_prompt_too(self, client: openai.OpenAI) -> None:
        ids = AutoTokenizer.from_pretrained(POCKET)(TEXT)["input_ids"]

        assert go_on(client, ids).choices[0].text == go_on(client).choices[0].text
        echoed = go_on(client, [ids, ids[:3]], echo=True, max_tokens=1).choices
        assert echoed[0].text.strip().startswith(TEXT)
        for stream in (False, True):
            with pytest.raises(openai.BadRequestError, match="no token of such a number"):
                go_on(client, [NOWHERE], stream=stream)

    def test_several_prompts_are_answered_in_their_order(self, client: openai.OpenAI) -> None:
        alone = [go_on(client, text).choices[0].text for text in QUESTIONS]

        answer = go_on(client, QUESTIONS, n=2)

        assert [choice.index for choice in answer.choices] == list(range(6))
        assert [choice.text for choice in answer.choices[::2]] == alone

    def test_a_stream_echoes_first(self, client: openai.OpenAI) -> None:
        whole = go_on(client, echo=True, logprobs=1).choices[0]

        said = [chunk.choices[0] for chunk in go_on(client, echo=True, logprobs=1, stream=True)]

        assert said[0].text == TEXT
        assert "".join(one.text for one in said) == whole.text
        parts = [one.logprobs for one in said if one.logprobs]
        assert [at for part in parts for at in part.text_offset] == whole.logprobs.text_offset
        assert [token for part in parts for token in part.tokens] == whole.logprobs.tokens
        first, *rest = [each for part in parts for each in part.token_logprobs]
        assert first is None
        assert rest == pytest.approx(whole.logprobs.token_logprobs[1:], abs=1e-4)


class TestErrors:
    def test_without_a_token_of_the_right_scope_nobody_is_let_in(self, site: Site) -> None:
        with pytest.raises(openai.AuthenticationError) as unknown:
            ask(site.client("mosaic_wrong"))
        with pytest.raises(openai.PermissionDeniedError, match="lacks the scope talk"):
            ask(site.client(site.other))

        assert unknown.value.code == "invalid_api_key"

    @pytest.mark.parametrize("name", UNSUPPORTED)
    def test_what_is_not_supported_is_refused_by_name(
        self, client: openai.OpenAI, name: str
    ) -> None:
        with pytest.raises(openai.BadRequestError) as refused:
            ask(client, extra_body={name: UNSUPPORTED[name]})

        assert (refused.value.param, refused.value.code) == (name, "unsupported_parameter")

    def test_a_prompt_that_is_too_long_is_refused_and_an_answer_gets_what_is_left(
        self, client: openai.OpenAI
    ) -> None:
        for call in (ask, go_on):
            with pytest.raises(openai.BadRequestError) as refused:
                call(client, "cat " * 2000)
            assert refused.value.code == "context_length_exceeded"
        nearly = "cat " * 100
        usage = go_on(client, nearly * 4, max_tokens=1000).usage
        assert usage.total_tokens <= 1024

    def test_an_expert_who_is_not_there_cannot_be_chosen(self, client: openai.OpenAI) -> None:
        with pytest.raises(openai.BadRequestError) as refused:
            ask(client, extra_body={"experts": {"include": [NOWHERE]}})

        assert refused.value.param == "experts.include"


@pytest.mark.parametrize("stream", [True, False])
def test_whoever_hangs_up_is_not_answered(site: Site, client: openai.OpenAI, stream: bool) -> None:
    line = redis.Redis(unix_socket_path=str(redis_socket(site.stack.home)))
    serving = hang(site.stack, "serving")
    try:
        with pytest.raises(openai.APITimeoutError):
            go_on(client.with_options(timeout=1.0), stream=stream)
        # Whoever answers is halted, so it can only be whoever asked that took it back.
        eventually(
            "the question is gone", lambda: not list(line.scan_iter("mosaic:serve:answer:*"))
        )
    finally:
        os.killpg(serving, signal.SIGCONT)
    assert go_on(client).choices[0].text


HARNESS: dict[str, Any] = {
    "api_choice": {
        "output_type": "multiple_choice",
        "doc_to_text": "{{question}}\nAnswer:",
        "doc_to_choice": "{{choices}}",
        "doc_to_target": "{{answer}}",
        "metric_list": [{"metric": "acc"}],
    },
    "api_open": {
        "output_type": "generate_until",
        "doc_to_text": "{{question}}\nAnswer:",
        "doc_to_target": "{{choices[answer]}}",
        "generation_kwargs": {"until": ["\n", "?"], "max_gen_toks": 12, "temperature": 0.0},
        "metric_list": [{"metric": "exact_match"}],
    },
}
COLOURS = ["red", "green", "blue"]
ROWS: list[dict[str, Any]] = [
    {
        "question": f"Which colour has ball {n}?",
        "choices": ["red", "green", "blue"],
        "answer": n % 3,
    }
    for n in range(4)
]


def test_lm_evaluation_harness_measures_a_model_over_the_api(
    site: Site, client: openai.OpenAI, tmp_path: Path
) -> None:
    """The log-likelihoods are those of a plain forward pass over the same texts."""
    data = tmp_path / "rows.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    for name, task in HARNESS.items():
        source = {"dataset_path": "json", "dataset_kwargs": {"data_files": {"test": str(data)}}}
        config = {"task": name, "test_split": "test", **source, **task}
        # JSON is YAML.
        (tmp_path / f"{name}.yaml").write_text(json.dumps(config))
    expert = f"mosaic/expert-{site.experts[1]}"
    arguments = {
        "model": expert,
        "base_url": f"{site.url}/completions",
        "tokenizer": str(POCKET),
        "tokenized_requests": "False",
        "max_length": "1024",
        "num_concurrent": "2",
    }
    done = subprocess.run(
        [
            *(sys.executable, "-m", "lm_eval", "run", "--model", "local-completions"),
            *("--model_args", ",".join(f"{name}={value}" for name, value in arguments.items())),
            *("--tasks", *HARNESS, "--include_path", str(tmp_path)),
            *("--output_path", str(tmp_path / "out"), "--log_samples"),
        ],
        cwd=tmp_path,
        env={**os.environ, "OPENAI_API_KEY": site.secret, "HF_HOME": str(tmp_path / "hf"),
             "HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"},
        capture_output=True,
        text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]

    def samples(task: str) -> list[dict[str, Any]]:
        (file,) = (tmp_path / "out").rglob(f"samples_{task}_*.jsonl")
        rows = [json.loads(line) for line in file.read_text().splitlines()]
        return sorted(rows, key=lambda row: row["doc_id"])

    for sample, row in zip(samples("api_choice"), ROWS, strict=True):
        for choice, (said,) in zip(row["choices"], sample["resps"], strict=True):
            context = f"{row['question']}\nAnswer:"
            before, _ = plainly(context, None)
            ids, each = plainly(f"{context} {choice}", site.adapters[1])
            own = range(len(before), len(ids))
            expected = sum(float(each[at - 1, ids[at]]) for at in own)
            greedy = all(int(each[at - 1].argmax()) == ids[at] for at in own)
            assert float(said[0]) == pytest.approx(expected, abs=1e-3)
            assert str(said[1]) == str(greedy)
    for sample, row in zip(samples("api_open"), ROWS, strict=True):
        said = go_on(
            client, f"{row['question']}\nAnswer:", model=expert, max_tokens=12, stop=["\n", "?"]
        )
        assert sample["resps"] == [[said.choices[0].text]]


@pytest.mark.parametrize("language", ["sh", "python"])
def test_the_examples_of_the_documentation_work(site: Site, language: str, tmp_path: Path) -> None:
    page = (REPOSITORY / "docs" / "api.md").read_text()
    example = page.partition(f"```{language}\n")[2].partition("\n```")[0]
    program = [sys.executable, "-c"] if language == "python" else ["bash", "-euc"]

    done = subprocess.run(
        [*program, example],
        cwd=tmp_path,
        env={**os.environ, "SITE": site.stack.url, "TOKEN": site.secret},
        capture_output=True,
        text=True,
    )

    assert done.returncode == 0, done.stderr
    if language == "python":
        assert "ada" in done.stdout and "%" in done.stdout
    else:
        assert json.loads(done.stdout)["choices"][0]["message"]["content"]


def test_an_expert_that_leaves_is_out_of_the_list_and_of_the_answers(
    site: Site, client: openai.OpenAI
) -> None:
    leaver, *others = site.experts
    act(site.stack, leave, pk=leaver)

    assert f"mosaic/expert-{leaver}" not in {model.id for model in client.models.list()}
    with pytest.raises(openai.NotFoundError):
        ask(client, model=f"mosaic/expert-{leaver}")

    def credited() -> set[int | None]:
        return {one["expert"] for one in ask(client).choices[0].mosaic["credit"]}

    eventually("it is asked no more", lambda: credited() == {None, *others}, every=1.0)
