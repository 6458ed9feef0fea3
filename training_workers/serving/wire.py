"""What the web process and the serving process say to each other. Knows no torch and no Django.

A question (`Asked`) is put in one line (see `line`); whoever serves takes it. Its answer is a Redis
stream of its own. Beside "waiting" and "taken", which the reader of the stream keeps to itself, its
events are, in order:

- `route`: {"release", "strategy", "level", "expert", "experts", "confidence", "reason",
  "neighbours": [{"prompt", "similarity", "right"}]}: whom the router would ask first, who answers
  alone where the level is "routing"; `experts` are those that the shares of tokens may name.
  Release, strategy and level are None where the base answers for want of a release;
- `prompt`: {"tokens": [token]}, where `echo` is asked: those of the prompt;
- `score`: {"log_probability", "greedy", "tokens": [token]}, where `score` is asked: how likely the
  given completion is, in nats, and whether each of its tokens was the likeliest;
- `token`: {"text"}, as many as it takes, and "shares": {expert id, "" for the base: share} where
  several models chose it together (level "logit"), and "tokens": [token] where `log_probabilities`
  are asked: those of the text, at the end also those without any, like the end token. An answer of
  several generations (level "text") has no distribution of its own and gives none;
- `again`: {}: whoever answered is gone, and somebody else was asked. What follows goes on where the
  answer stood;
- `done`: {"tokens", "seconds", "credit": [{"expert", "share"}], "steps": [{"expert", "asked",
  "answered"}], "generations", "prompt_tokens", "finish"}, or `error`: {"message", "fault"}. Credit
  is whom the answer is owed to, the largest share first; steps are there where more than one
  question was asked on the way; finish is "stop" (the end token or a stop text) or "length". The
  fault of an error is "asker" where the question itself cannot be answered, else "server".

An expert is {"id", "name", "owner", "owner_id"}; None is the base. A token is {"id", "text",
"log_probability", "alternatives": {text: log-probability}}: in nats, before temperature and top_p,
the likeliest first, as many as were asked for; both None for the first token of a text, which
follows nothing.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias

Event: TypeAlias = dict[str, Any]

QUESTIONS = "mosaic:serve:questions"
ALIVE = "mosaic:serve:alive"
# Seconds after which a serving process that says nothing counts as away.
ALIVE_SECONDS = 10
# Questions that may wait before a new one is told that the model is busy.
MOST_WAITING = 64
# Of one asker, so that the line has room for others.
MOST_OF_ONE_WAITING = 32
# Seconds after which somebody who was told that the model is busy may try again.
RETRY_SECONDS = 5
# Seconds an answer stays readable.
ANSWER_SECONDS = 600
# How often a question is asked where each that takes it dies: it may be why.
MOST_TRIES = 3
# Seconds without any event after which an asker gives up.
PATIENCE_SECONDS = 60


@dataclass(frozen=True)
class Asked:
    """A question, who may answer it, and how.

    `prompt` is a text, or the ids of its tokens, which are raw. A `raw` prompt is continued exactly
    as it stands, by whom the router picks for it, and its answer keeps its surrounding space; any
    other is asked as a question, and is cut at its beginning where it is too long. Tokens are
    chosen greedily at `temperature` 0, else drawn with `seed` from those that make up `top_p` of
    the probability. The answer ends before the first of the texts in `stop`. Of the experts, those
    in `only` (all if empty) but not in `without` may answer; with `alone` this one by itself,
    whatever the strategy, and the base for 0. `log_probabilities` is how many
    alternatives to report with every token; None reports none. With `score`, a completion, nothing
    is generated: its likelihood is the answer. `echo` reports the prompt's own tokens.
    `max_new_tokens` may be 0 with either of them. Questions of one `asker` wait for each other
    where others ask too; "" is somebody new each time.
    """

    prompt: str | tuple[int, ...]
    max_new_tokens: int = 64
    temperature: float = 0.0
    top_p: float = 1.0
    stop: tuple[str, ...] = ()
    seed: int = 0
    only: tuple[int, ...] = ()
    without: tuple[int, ...] = ()
    alone: int | None = None
    log_probabilities: int | None = None
    score: str | tuple[int, ...] | None = None
    echo: bool = False
    raw: bool = False
    asker: str = ""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def of_json(cls, data: Mapping[str, Any]) -> "Asked":
        """JSON knows no tuples."""
        values: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in data.items()
        }
        return cls(**values)


def answer_key(question_id: str) -> str:
    return f"mosaic:serve:answer:{question_id}"


def alive_key(server_id: str) -> str:
    """There as long as this serving process says that it lives; ALIVE, as long as any does."""
    return f"{ALIVE}:{server_id}"
