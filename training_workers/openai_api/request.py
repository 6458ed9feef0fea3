"""What a request asks: read field by field, and refused where this server cannot do it."""

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest
from rest_framework import serializers

from contributions.intake import ROLES, conversation
from training_workers.openai_api.errors import ApiError, refused

Prompt = str | tuple[int, ...]

MOST_CHOICES = 64
"""Prompts times answers to each, in one request."""
MOST_STOPS = 16
MOST_ALTERNATIVES = 20

NEUTRAL: dict[str, tuple[Any, ...]] = {
    "audio": (),
    "best_of": (1,),
    "frequency_penalty": (0,),
    "function_call": ("none", "auto"),
    "functions": ([],),
    "logit_bias": ({},),
    "modalities": (["text"],),
    "parallel_tool_calls": (True, False),
    "prediction": (),
    "presence_penalty": (0,),
    "reasoning_effort": ("none",),
    "response_format": ({"type": "text"},),
    "store": (False,),
    "suffix": ("",),
    "tool_choice": ("none", "auto"),
    "tools": ([],),
    "verbosity": ("medium",),
    "web_search_options": (),
}
"""Parameters of OpenAI's API that are not supported, and the values that ask for nothing."""
WITHOUT_EFFECT = {
    "metadata",
    "prompt_cache_key",
    "prompt_cache_retention",
    "safety_identifier",
    "service_tier",
    "user",
}
"""Parameters that change no answer anywhere: they say something about the caller."""


@dataclass(frozen=True)
class Wanted:
    """A request that can be answered. Field by field as in `serving.wire.Asked`, but:

    each of `prompts` gets `n` answers; `max_new_tokens` None is as many as there is room for;
    `include` and `exclude` are experts by their ids, `include` empty for all.
    """

    model: str
    prompts: tuple[Prompt, ...]
    raw: bool
    max_new_tokens: int | None
    temperature: float
    top_p: float
    n: int
    stop: tuple[str, ...]
    seed: int
    stream: bool
    include_usage: bool
    log_probabilities: int | None
    echo: bool
    include: tuple[int, ...]
    exclude: tuple[int, ...]


class _Text(serializers.CharField):
    """Any text as it is: white space and line ends count."""

    def __init__(self, **options: Any) -> None:
        super().__init__(trim_whitespace=False, **options)

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class _Stop(serializers.ListField):
    """A text or a list of texts."""

    child = _Text()

    def __init__(self, **options: Any) -> None:
        super().__init__(max_length=MOST_STOPS, **options)

    def to_internal_value(self, data: Any) -> list[Any]:
        return super().to_internal_value([data] if isinstance(data, str) else data)


class _Prompts(serializers.Field[Any, Any, Any, Any]):
    """A text, a list of texts, the ids of one text's tokens, or a list of those."""

    default_error_messages = {
        "invalid": "Must be a text, a list of texts, or the ids of their tokens, none empty."
    }

    def to_internal_value(self, data: Any) -> tuple[Prompt, ...]:
        if isinstance(data, str) or _is_ids(data):
            data = [data]
        if not isinstance(data, list) or not data:
            self.fail("invalid")
        if not all(one and (isinstance(one, str) or _is_ids(one)) for one in data):
            self.fail("invalid")
        return tuple(one if isinstance(one, str) else tuple(one) for one in data)


def _is_ids(value: Any) -> bool:
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(one, int) and not isinstance(one, bool) and one >= 0 for one in value)
    )


class _Experts(serializers.Serializer[Any]):
    include = serializers.ListField(
        child=serializers.IntegerField(), allow_empty=False, default=list
    )
    exclude = serializers.ListField(child=serializers.IntegerField(), default=list)


class _StreamOptions(serializers.Serializer[Any]):
    include_usage = serializers.BooleanField(default=False)
    include_obfuscation = serializers.BooleanField(default=False)


class _Body(serializers.Serializer[Any]):
    """What both kinds of request may have."""

    model = _Text()
    temperature = serializers.FloatField(min_value=0, max_value=2, default=1.0)
    top_p = serializers.FloatField(min_value=0, max_value=1, default=1.0)
    n = serializers.IntegerField(min_value=1, max_value=MOST_CHOICES, default=1)
    stop = _Stop(default=())
    seed = serializers.IntegerField(min_value=-(2**63), max_value=2**63 - 1, default=None)
    stream = serializers.BooleanField(default=False)
    stream_options = _StreamOptions(default=dict)
    experts = _Experts(default=dict)

    def validate_top_p(self, top_p: float) -> float:
        if top_p == 0:
            raise serializers.ValidationError("Must be above 0.")
        return top_p


class _CompletionBody(_Body):
    prompt = _Prompts()
    max_tokens = serializers.IntegerField(min_value=0, default=16)
    logprobs = serializers.IntegerField(min_value=0, max_value=MOST_ALTERNATIVES, default=None)
    echo = serializers.BooleanField(default=False)


class _Message(serializers.Serializer[Any]):
    role = serializers.ChoiceField(choices=ROLES)
    content = serializers.JSONField()

    def validate_content(self, content: Any) -> str:
        """A text, or parts of type text."""
        if isinstance(content, str):
            return content
        texts = []
        for part in content if isinstance(content, list) else [None]:
            if not isinstance(part, dict) or part.get("type") != "text":
                raise serializers.ValidationError("Only text can be read here.")
            if not isinstance(part.get("text"), str):
                raise serializers.ValidationError("A part of type text needs its text.")
            texts.append(part["text"])
        return "\n".join(texts)


class _ChatBody(_Body):
    messages = _Message(many=True, allow_empty=False)
    max_tokens = serializers.IntegerField(min_value=1, default=None)
    max_completion_tokens = serializers.IntegerField(min_value=1, default=None)
    logprobs = serializers.BooleanField(default=False)
    top_logprobs = serializers.IntegerField(min_value=0, max_value=MOST_ALTERNATIVES, default=None)


def read_completion(request: HttpRequest) -> Wanted:
    """Of POST /v1/completions. Raises ApiError."""
    asked = _read(request, _CompletionBody)
    if asked["max_tokens"] == 0 and not asked["echo"]:
        raise refused("max_tokens", "max_tokens may be 0 only together with echo.")
    return _wanted(
        asked,
        prompts=asked["prompt"],
        raw=True,
        max_new_tokens=asked["max_tokens"],
        log_probabilities=asked["logprobs"],
        echo=asked["echo"],
    )


def read_chat(request: HttpRequest) -> Wanted:
    """Of POST /v1/chat/completions. Raises ApiError."""
    asked = _read(request, _ChatBody)
    turns = [(turn["role"], turn["content"].strip()) for turn in asked["messages"]]
    prompt = conversation(turns)
    if not prompt.strip():
        raise refused("messages", "messages: there is nothing to answer.")
    if asked["top_logprobs"] is not None and not asked["logprobs"]:
        raise refused("top_logprobs", "top_logprobs needs logprobs to be true.")
    most = asked["max_completion_tokens"]
    return _wanted(
        asked,
        prompts=(prompt,),
        raw=False,
        max_new_tokens=asked["max_tokens"] if most is None else most,
        log_probabilities=(asked["top_logprobs"] or 0) if asked["logprobs"] else None,
        echo=False,
    )


def _read(request: HttpRequest, kind: type[_Body]) -> dict[str, Any]:
    """The validated fields; null is as if a field were not there."""
    try:
        body = json.loads(request.body)
    except RequestDataTooBig as error:
        raise ApiError(413, "The request is too large.") from error
    except ValueError as error:
        raise ApiError(400, "The body of the request is not JSON.") from error
    if not isinstance(body, dict):
        raise ApiError(400, "The body of the request is not a JSON object.")
    body = _without_null(body)
    _refuse_what_is_not_supported(body, kind)
    fields = kind(data={name: body[name] for name in body if name in kind().fields})
    if not fields.is_valid():
        raise _first_error(fields.errors)
    found: dict[str, Any] = fields.validated_data
    return found


def _without_null(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_null(one) for name, one in value.items() if one is not None}
    return [_without_null(one) for one in value] if isinstance(value, list) else value


def _refuse_what_is_not_supported(body: Mapping[str, Any], kind: type[_Body]) -> None:
    known = kind().fields
    for name, value in body.items():
        if name in known or name in WITHOUT_EFFECT or value in NEUTRAL.get(name, ()):
            continue
        if name in NEUTRAL:
            raise refused(
                name,
                f"This server does not support `{name}`: leave it out.",
                "unsupported_parameter",
            )
        raise refused(name, f"There is no parameter `{name}` here.", "unknown_parameter")
    for number, message in enumerate(_list(body.get("messages"))):
        for name in message if isinstance(message, dict) else ():
            if name not in {"role", "content"} and message[name] not in ([], ""):
                where = f"messages[{number}].{name}"
                raise refused(
                    where, f"This server does not support `{where}`.", "unsupported_parameter"
                )


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _first_error(errors: Any, where: str = "") -> ApiError:
    """Of those that a serializer found, with its place: `messages[0].role`."""
    if isinstance(errors, Mapping):
        name, inner = next((name, inner) for name, inner in errors.items() if inner)
        step = f"[{name}]" if isinstance(name, int) else f".{name}"
        place = where if name == "non_field_errors" else where + step
        return _first_error(inner, place.lstrip("."))
    if errors and isinstance(errors[0], Mapping):
        at = next(at for at, inner in enumerate(errors) if inner)
        return _first_error(errors[at], f"{where}[{at}]")
    return refused(where, f"{where}: {errors[0]}", "invalid_value")


def _wanted(asked: Mapping[str, Any], *, prompts: tuple[Prompt, ...], **rest: Any) -> Wanted:
    if len(prompts) * asked["n"] > MOST_CHOICES:
        raise refused(
            "n", f"A request may ask for {MOST_CHOICES} answers: n times the number of prompts."
        )
    seed = asked["seed"]
    return Wanted(
        model=asked["model"],
        prompts=prompts,
        temperature=asked["temperature"],
        top_p=asked["top_p"],
        n=asked["n"],
        stop=tuple(asked["stop"]),
        # One that nobody chose is a new one every time.
        seed=secrets.randbits(31) if seed is None else seed,
        stream=asked["stream"],
        include_usage=asked["stream_options"].get("include_usage", False),
        include=tuple(asked["experts"].get("include", ())),
        exclude=tuple(asked["experts"].get("exclude", ())),
        **rest,
    )
