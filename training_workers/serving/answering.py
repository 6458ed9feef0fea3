"""One question in the serving process: who answers it, and what is told of the answer."""

import time
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from contributions.models import Expert
from training_workers.engine.data import encode_prompt
from training_workers.engine.decoding import decode
from training_workers.engine.pool import BASE, Draft, ExpertPool, OpenBatch, Sampling, Token
from training_workers.engine.strategies import Answer, Strategy
from training_workers.engine.strategies.best_single import BestSingle
from training_workers.engine.strategies.strategy import Run, asked_once
from training_workers.serving.wire import Asked, Event

# A question's tokens are cut to this, whatever the asker wants.
MOST_NEW_TOKENS = 256
# More alternatives than this are not told with a token.
MOST_ALTERNATIVES = 20
BASE_ALONE = BestSingle({BASE: 1.0})


class CannotBeAsked(Exception):
    """The question itself is at fault; the message says why."""


@dataclass(frozen=True)
class Served:
    """What is in memory now: a base, the release's experts on it, and the way they answer."""

    base_sha256: str
    pool: ExpertPool
    batch: OpenBatch
    release: int | None = None
    # Whether somebody who was in the release has left it: then a merge is taken down.
    reduced: bool = False
    strategy: Strategy = BASE_ALONE
    experts: Mapping[str, Expert] = field(default_factory=dict)

    def allowed(self, asked: Asked) -> frozenset[str]:
        """Who may answer: all who are here, or those of them that were asked for. Raises
        CannotBeAsked for one who was to answer alone and is not here."""
        if asked.alone is not None:
            alone = frozenset({str(asked.alone)} if asked.alone else ())
            if not alone <= self.experts.keys():
                raise CannotBeAsked(f"Expert {asked.alone} does not answer any more.")
            return alone
        here = frozenset(self.experts) - set(map(str, asked.without))
        return here & set(map(str, asked.only)) if asked.only else here

    def card(self, model: str | None) -> dict[str, Any] | None:
        """What a page says of a model; None for the base."""
        if not model:
            return None
        expert = self.experts[model]
        return {
            "id": expert.pk,
            "name": expert.name,
            "owner": expert.owner.display_name,
            "owner_id": expert.owner_id,
        }


class Answering:
    """A question that is being answered, by what was served when it was taken.

    Raises CannotBeAsked, and what routing and asking may.
    """

    def __init__(self, question_id: str, asked: Asked, served: Served) -> None:
        self.allowed = served.allowed(asked)
        if asked.alone is not None:
            scores = {BASE: 0.0, **dict.fromkeys(self.allowed, 1.0)}
            served = replace(served, strategy=BestSingle(scores))
        self.id, self.asked, self.served = question_id, asked, served
        self.over = False
        self._began = time.monotonic()
        self._told = 0
        self._prompt_told = False
        self._settling: Generator[None, None, None] | None = None
        pool, strategy = served.pool, served.strategy
        self._tokenizer = pool.base.tokenizer
        if isinstance(asked.prompt, str):
            self._text = asked.prompt
        else:
            self._text = decode(self._tokenizer, asked.prompt)
        (self.route,) = strategy.routes([self._text], self.allowed, pool)
        self._answer = Answer(self.route)
        ids, given, sampling = self._read()
        if ids is None and not asked.echo:
            steps = strategy.steps(pool, [self._text], [self._answer], self.allowed)
        else:
            prompt = strategy.likelihood_prompt(pool, self._text, self.allowed)
            prompt = replace(prompt, ids=None if ids is None else (*ids, *given))
            steps = asked_once(pool, [prompt], [self._answer])
        self._given = given
        self._run = Run(steps, served.batch, sampling)

    def _read(self) -> tuple[Sequence[int] | None, Sequence[int], Sampling]:
        """The prompt's tokens where they are raw, those of a completion that is scored, and how
        to go on. Raises CannotBeAsked."""
        asked, base = self.asked, self.served.pool.base
        told = asked.log_probabilities
        if asked.max_new_tokens < (0 if asked.echo or asked.score is not None else 1):
            raise CannotBeAsked("An answer has one new token at least.")
        if not (asked.temperature >= 0 and 0 < asked.top_p <= 1):
            raise CannotBeAsked("The temperature is 0 at least, and top_p above 0 and 1 at most.")
        if told is not None and not 0 <= told <= MOST_ALTERNATIVES:
            raise CannotBeAsked(f"At most {MOST_ALTERNATIVES} alternatives are told with a token.")
        sampling = Sampling(
            max_new_tokens=min(asked.max_new_tokens, MOST_NEW_TOKENS, base.context_length // 2),
            temperature=asked.temperature,
            seed=asked.seed,
            top_p=asked.top_p,
            stop=asked.stop,
            alternatives=told,
            echo=asked.echo,
        )
        if asked.score is not None:
            ids, given = self._scored(asked.score)
            # Whether a token is the likeliest needs the likeliest.
            reported = replace(
                sampling, max_new_tokens=0, echo=True, alternatives=max(1, told or 0)
            )
            return ids, given, reported
        if not asked.raw and isinstance(asked.prompt, str):
            return None, (), sampling
        ids = self._raw(asked.prompt)
        room = base.context_length - len(ids)
        most = min(asked.max_new_tokens, MOST_NEW_TOKENS)
        if not ids or room < min(1, most):
            raise CannotBeAsked(
                f"The prompt has {len(ids)} tokens. The model reads {base.context_length} together "
                "with those of the answer."
            )
        return ids, (), replace(sampling, max_new_tokens=min(most, room))

    def _scored(self, score: str | tuple[int, ...]) -> tuple[Sequence[int], Sequence[int]]:
        """The tokens of the prompt and of the completion."""
        asked, base = self.asked, self.served.pool.base
        if isinstance(score, str):
            score = score if asked.raw else score.strip()
            given = self._tokenizer(score, add_special_tokens=False)["input_ids"]
        else:
            given = list(score)
        if asked.raw or not isinstance(asked.prompt, str):
            ids = self._raw(asked.prompt)
        else:
            ids = encode_prompt(self._tokenizer, asked.prompt, base.context_length - len(given))
        if not ids or not given or len(ids) + len(given) > base.context_length:
            raise CannotBeAsked(
                f"Prompt and completion have {len(ids)} and {len(given)} tokens: one each at "
                f"least, and {base.context_length} together at most."
            )
        return ids, given

    def _raw(self, prompt: str | tuple[int, ...]) -> Sequence[int]:
        if isinstance(prompt, str):
            # As `encode_prompt`, which has the separator besides.
            ids: list[int] = self._tokenizer(prompt)["input_ids"]
            return ids[:-1] if ids and ids[-1] == self._tokenizer.eos_token_id else ids
        if not all(0 <= token < len(self._tokenizer) for token in prompt):
            raise CannotBeAsked("The model has no token of such a number.")
        return prompt

    @property
    def is_lost(self) -> bool:
        """Whether a pass that it needed failed."""
        return self._run.is_lost

    def stop(self) -> None:
        """Give up what is still being made."""
        self._run.stop()

    def go_on(self) -> list[Event]:
        """What is new since the last time. Raises what asking somebody may."""
        if not self._run.over:
            self._run.go_on()
        answer, events = self._answer, self._news()
        if not answer.over or not self._run.over:
            return events
        # Whom a merge owes an answer to takes several passes. Others go on between them.
        if self._settling is None and answer.settle is not None:
            self._settling = answer.settle
        if self._settling is not None and next(self._settling, True) is None:
            return events
        self.over = True
        return [*events, self._done_event()]

    def _news(self) -> list[Event]:
        events: list[Event] = []
        draft = self._answer.draft
        if draft is not None and draft.prompt and not self._prompt_told:
            self._prompt_told = True
            events.append(self._prompt_event(draft))
        for piece in self._answer.pieces[self._told :]:
            event: Event = {"kind": "token", "text": piece.text}
            if self.served.strategy.level == "logit" and len(piece.shares) > 1:
                event["shares"] = dict(piece.shares)
            if self.asked.log_probabilities is not None and piece.tokens:
                event["tokens"] = [_token(token) for token in piece.tokens]
            events.append(event)
        self._told = len(self._answer.pieces)
        return events

    def _prompt_event(self, draft: Draft) -> Event:
        if self.asked.score is None:
            return {"kind": "prompt", "tokens": [_token(token) for token in draft.prompt]}
        given = [_token(token) for token in draft.prompt[-len(self._given) :]]
        best = [max(token["alternatives"].values()) for token in given]
        told = self.asked.log_probabilities
        return {
            "kind": "score",
            "log_probability": sum(token["log_probability"] for token in given),
            "greedy": all(
                token["log_probability"] >= most for token, most in zip(given, best, strict=True)
            ),
            "tokens": []
            if told is None
            else [
                token | {"alternatives": dict(list(token["alternatives"].items())[:told])}
                for token in given
            ],
        }

    def route_event(self) -> Event:
        served, route = self.served, self.route
        strategy = served.strategy if served.release is not None else None
        together = strategy is not None and strategy.level == "logit"
        return {
            "kind": "route",
            "release": served.release,
            "strategy": strategy.name if strategy else None,
            "level": strategy.level if strategy else None,
            "expert": served.card(route.expert),
            "experts": [served.card(name) for name in sorted(self.allowed)] if together else [],
            "confidence": route.confidence,
            "reason": self._reason(),
            "neighbours": [
                {
                    "prompt": neighbour.prompt,
                    "similarity": neighbour.similarity,
                    "right": [
                        served.experts[name].name
                        for name in neighbour.solved_by
                        if name in served.experts
                    ],
                }
                for neighbour in route.neighbours
            ],
        }

    def _reason(self) -> str:
        if self.asked.alone is not None:
            return "It was asked for by name."
        if self.served.release is None:
            return "No release is live yet, so the base answers alone."
        return self.route.reason

    def _done_event(self) -> Event:
        served, answer, draft = self.served, self._answer, self._answer.draft
        if draft is not None:
            tokens, prompt_tokens = draft.tokens, draft.prompt_tokens - len(self._given)
        else:
            base = served.pool.base
            tokens = len(self._tokenizer(answer.text, add_special_tokens=False)["input_ids"])
            prompt_tokens = len(encode_prompt(self._tokenizer, self._text, base.context_length))
        owed = sorted(answer.credit.items(), key=lambda item: -item[1])
        return {
            "kind": "done",
            "tokens": tokens,
            "seconds": time.monotonic() - self._began,
            "credit": [
                {"expert": served.card(model), "share": share} for model, share in owed if share > 0
            ],
            "steps": [
                {
                    "expert": served.card(step.model),
                    "asked": step.asked,
                    "answered": step.answered,
                }
                for step in answer.steps
            ],
            "generations": answer.generations,
            "prompt_tokens": prompt_tokens,
            "finish": answer.finish or "stop",
        }


def _token(token: Token) -> dict[str, Any]:
    return {
        "id": token.id,
        "text": token.text,
        "log_probability": token.log_probability,
        "alternatives": token.alternatives,
    }
