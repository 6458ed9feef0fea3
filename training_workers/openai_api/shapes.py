"""The two shapes of an answer: a chat's and a completion's, whole and in chunks.

https://platform.openai.com/docs/api-reference/chat/object and .../completions/object, each choice
with one field more, `mosaic`: whom it is owed to. In a stream it stands where the choice ends, and
before that on each chunk whose words several models chose together.
"""

import time
import uuid
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from training_workers.openai_api.catalogue import BASE, LIVE, release_id
from training_workers.openai_api.choice import Choice, Token, owed
from training_workers.openai_api.request import Wanted
from training_workers.serving.wire import Event

Json = dict[str, Any]


@dataclass
class Shape(ABC):
    """What all objects of one answer share."""

    wanted: Wanted
    id: str = field(init=False)
    created: int = field(default_factory=lambda: int(time.time()))

    prefix: ClassVar[str]
    whole: ClassVar[str]
    chunk: ClassVar[str]

    def __post_init__(self) -> None:
        self.id = f"{self.prefix}-{uuid.uuid4().hex}"

    @abstractmethod
    def finished(self, choice: Choice) -> Json:
        """All of an answer."""

    @abstractmethod
    def opened(self) -> Json | None:
        """What a stream says of a choice before its first token; None for nothing."""

    @abstractmethod
    def grown(self, text: str, tokens: Sequence[Token], start: int) -> Json:
        """What a stream says of new text, before which `start` characters were sent."""

    @abstractmethod
    def closed(self) -> Json:
        """What a stream says where a choice ends."""

    def answer(self, choices: Sequence[Choice]) -> Json:
        done = [self.finished(one) | {"mosaic": one.attribution} for one in choices]
        return self._object(self.whole, choices, done) | {"usage": self._usage(choices)}

    def chunks(self, choice: Choice, event: Event) -> Iterable[Json]:
        """What a stream sends for one event, which the choice has taken already."""
        match event["kind"]:
            case "route":
                if (opened := self.opened()) is not None:
                    yield self._chunk(choice, opened)
            case "prompt":
                grown = self.grown(choice.prompt_text, choice.prompt, choice.prompt_start)
                yield self._chunk(choice, grown)
            case "token":
                start = len(choice.told) - len(event["text"])
                grown = self.grown(event["text"], event.get("tokens", []), start)
                if shares := choice.answer.last_piece.shares:
                    grown["mosaic"] = {"credit": owed(shares)}
                yield self._chunk(choice, grown)
            case "done":
                closed = self.closed() | {"finish_reason": choice.finish}
                yield self._chunk(choice, closed | {"mosaic": choice.attribution})

    def usage_chunk(self, choices: Sequence[Choice]) -> Json:
        return self._object(self.chunk, choices, []) | {"usage": self._usage(choices)}

    def _usage(self, choices: Sequence[Choice]) -> dict[str, int]:
        """A prompt counts once, however many answers it gets."""
        prompt = sum(one.prompt_tokens for one in choices if one.index % self.wanted.n == 0)
        answered = sum(one.answer.tokens or 0 for one in choices)
        return {
            "prompt_tokens": prompt,
            "completion_tokens": answered,
            "total_tokens": prompt + answered,
        }

    def _chunk(self, choice: Choice, said: Json) -> Json:
        head = {"index": choice.index, "finish_reason": None, "logprobs": None}
        found = self._object(self.chunk, [choice], [head | said])
        return found | {"usage": None} if self.wanted.include_usage else found

    def _object(self, kind: str, choices: Sequence[Choice], told: list[Json]) -> Json:
        """The name of the release that answered takes the place of the one that means whichever
        is live."""
        release = choices[0].release
        now = BASE if release is None else release_id(release)
        return {
            "id": self.id,
            "object": kind,
            "created": self.created,
            "model": now if self.wanted.model == LIVE else self.wanted.model,
            "system_fingerprint": now,
            "choices": told,
        }


class Chat(Shape):
    prefix = "chatcmpl"
    whole = "chat.completion"
    chunk = "chat.completion.chunk"

    def finished(self, choice: Choice) -> Json:
        text = choice.answer.text
        return {
            "index": choice.index,
            "message": {"role": "assistant", "content": text, "refusal": None},
            "logprobs": self._logprobs(choice.tokens),
            "finish_reason": choice.finish,
        }

    def opened(self) -> Json:
        return {"delta": {"role": "assistant", "content": "", "refusal": None}}

    def grown(self, text: str, tokens: Sequence[Token], start: int) -> Json:
        return {"delta": {"content": text}, "logprobs": self._logprobs(tokens)}

    def closed(self) -> Json:
        return {"delta": {}}

    def _logprobs(self, tokens: Sequence[Token]) -> Json | None:
        if self.wanted.log_probabilities is None:
            return None
        return {"content": [self._token(one) for one in tokens], "refusal": None}

    def _token(self, token: Token) -> Json:
        return _entry(token["text"], token["log_probability"]) | {
            "top_logprobs": [_entry(text, each) for text, each in token["alternatives"].items()]
        }


def _entry(text: str, log_probability: float) -> Json:
    # A token that is a part of a character has no text of its own.
    encoded = None if "\ufffd" in text else list(text.encode())
    return {"token": text, "logprob": log_probability, "bytes": encoded}


class Completion(Shape):
    prefix = "cmpl"
    whole = "text_completion"
    chunk = "text_completion"

    def finished(self, choice: Choice) -> Json:
        return {
            "index": choice.index,
            "text": choice.told,
            "logprobs": self._logprobs([*choice.prompt, *choice.tokens], choice.prompt_start),
            "finish_reason": choice.finish,
        }

    def opened(self) -> None:
        return None

    def grown(self, text: str, tokens: Sequence[Token], start: int) -> Json:
        return {"text": text, "logprobs": self._logprobs(tokens, start)}

    def closed(self) -> Json:
        return {"text": ""}

    def _logprobs(self, tokens: Sequence[Token], start: int) -> Json | None:
        """`start`: how many characters of the text stand before these tokens."""
        if self.wanted.log_probabilities is None:
            return None
        offsets = []
        for token in tokens:
            offsets.append(max(0, start))
            start += len(token["text"])
        return {
            "tokens": [token["text"] for token in tokens],
            "token_logprobs": [token["log_probability"] for token in tokens],
            "top_logprobs": [_with_itself(token) for token in tokens],
            "text_offset": offsets,
        }


def _with_itself(token: Token) -> dict[str, float] | None:
    """The likeliest tokens, and the one that stands there even if it is none of them."""
    if token["alternatives"] is None:
        return None
    text, own = token["text"], token["log_probability"]
    # Tokens that are parts of characters may look alike.
    return {**token["alternatives"], text: max(own, token["alternatives"].get(text, own))}
