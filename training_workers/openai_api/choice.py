"""One answer in the making, from its question to what it owes to whom."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from training_workers.openai_api.errors import ApiError
from training_workers.serving.wire import Asked, Event
from training_workers.talking import Answer, Share

Token = Mapping[str, Any]
"""As `serving.wire` says."""


@dataclass
class Choice:
    """`index` counts all answers of a request: those to its first prompt come first."""

    index: int
    asked: Asked
    answer: Answer = field(init=False)
    prompt: list[Token] = field(default_factory=list)
    tokens: list[Token] = field(default_factory=list)
    prompt_tokens: int = 0
    finish: str | None = None

    def __post_init__(self) -> None:
        self.answer = Answer(question=str(self.asked.prompt))

    def take(self, event: Event) -> None:
        """Raises ApiError where the model could not answer."""
        if event["kind"] == "error":
            if event.get("fault") == "asker":
                raise ApiError(400, event["message"])
            raise ApiError(503, event["message"], retry_after=5)
        self.answer.take(event)
        match event["kind"]:
            case "prompt":
                self.prompt = event["tokens"]
            case "token":
                self.tokens += event.get("tokens", [])
            case "done":
                self.prompt_tokens, self.finish = event["prompt_tokens"], event["finish"]

    @property
    def prompt_text(self) -> str:
        prompt = self.asked.prompt
        if isinstance(prompt, str):
            return prompt
        return "".join(token["text"] for token in self.prompt)

    @property
    def prompt_start(self) -> int:
        """Where its first token begins: some tokenizers put a space before a text."""
        return len(self.prompt_text) - sum(len(token["text"]) for token in self.prompt)

    @property
    def told(self) -> str:
        """All text so far, with the prompt where it is echoed."""
        return (self.prompt_text if self.asked.echo else "") + self.answer.text

    @property
    def release(self) -> int | None:
        return self.answer.route["release"] if self.answer.route else None

    @property
    def attribution(self) -> dict[str, Any]:
        """Whom the answer is owed to, and how it came about."""
        route = self.answer.route or {}
        return {
            "release": route.get("release"),
            "strategy": route.get("strategy"),
            "level": route.get("level"),
            "route": {
                **named(route.get("expert")),
                "confidence": route.get("confidence"),
                "reason": route.get("reason"),
                "neighbours": route.get("neighbours", []),
            },
            "credit": owed(self.answer.credit),
            "steps": [
                {
                    **named(step["expert"]),
                    "asked": step["asked"],
                    "answered": step["answered"],
                }
                for step in self.answer.steps
            ],
            "generations": self.answer.generations,
        }


def named(expert: Mapping[str, Any] | None) -> dict[str, Any]:
    """An expert as an answer names it; of the base, its parts are null."""
    if expert is None:
        return {"expert": None, "name": None, "owner": None}
    return {"expert": expert["id"], "name": expert["name"], "owner": expert["owner"]}


def owed(shares: Sequence[Share]) -> list[dict[str, Any]]:
    return [{**named(one.expert), "share": one.share} for one in shares]
