"""Scoring experts on probes, each expert and probe set once."""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from contributions.models import Priority, Probe
from training_workers.actions.evaluations import evaluation_keep
from training_workers.engine.bases import Base
from training_workers.engine.devtable import DevTable
from training_workers.engine.evaluating import evaluate, new_tokens
from training_workers.engine.pool import BASE, Draft, ExpertPool, Prompt, Sampling
from training_workers.engine.scoring import Item, normalised, scored
from training_workers.models import Evaluation


@dataclass(frozen=True)
class ProbeSet:
    """The probes of one priority and one part, in order."""

    priority: Priority
    part: str
    probes: tuple[Probe, ...]

    @property
    def sha256(self) -> str:
        """Covers prompts and references in their order, and how they are scored."""
        pairs = [[probe.prompt, *probe.answers] for probe in self.probes]
        kind = self.priority.task_type
        # What was answered before there were other kinds still counts.
        text = json.dumps(pairs if kind == Priority.TaskType.EXACT_MATCH else [kind, pairs])
        return hashlib.sha256(text.encode()).hexdigest()

    def items(self, group: str) -> list[Item]:
        """The probes as items of `group`; of several answers to one prompt any is right."""
        answers: dict[str, dict[str, None]] = {}
        for probe in self.probes:
            answers.setdefault(normalised(probe.prompt), {}).update(dict.fromkeys(probe.answers))
        kind = self.priority.task_type
        return [
            Item(probe.prompt, tuple(answers[normalised(probe.prompt)]), group, kind)
            for probe in self.probes
        ]


def probe_sets(parts: Iterable[str]) -> list[ProbeSet]:
    """The probes of all open priorities, by priority and part, none of them empty."""
    priorities = Priority.objects.open().order_by("pk").prefetch_related("probes")
    sets = []
    for priority in priorities:
        for part in parts:
            probes = tuple(probe for probe in priority.probes.all() if probe.part == part)
            if probes:
                sets.append(ProbeSet(priority, part, probes))
    return sets


def answer_limit(base: Base) -> int:
    """How many tokens an answer may have, for all probes of the community alike."""
    sets = probe_sets(Probe.Part.values)
    return new_tokens(base, [item for probes in sets for item in probes.items("")])


@dataclass(frozen=True)
class Evaluator:
    """Models on probes: `adapters` maps names in the pool to the adapters' hashes.

    The pool remembers. What was answered before is read, not computed again: one more expert
    costs one expert's evaluation.
    """

    pool: ExpertPool
    adapters: Mapping[str, str]
    limit: int
    should_stop: Callable[[], bool]

    def table(
        self,
        sets: Sequence[ProbeSet],
        groups: Mapping[int, str],
        on_progress: Callable[[int, int], None],
    ) -> tuple[list[Item], DevTable] | None:
        """The items of `sets`, and who answers them how; None where `should_stop`.

        `groups` names the priorities, by their keys.
        """
        names = [BASE, *self.adapters]
        done = 0
        for probes in sets:
            known = self._known(probes)
            for name in names:
                if self.should_stop():
                    return None
                adapter_sha256 = self.adapters.get(name, "")
                if adapter_sha256 not in known:
                    known[adapter_sha256] = self._answer(probes, name, adapter_sha256)
                prompts = [Prompt(probe.prompt, name or None) for probe in probes.probes]
                for prompt, draft in zip(prompts, known[adapter_sha256], strict=True):
                    self.pool.learn(prompt, self.limit, draft)
                done += 1
                on_progress(done, len(sets) * len(names))
        items = [item for probes in sets for item in probes.items(groups[probes.priority.pk])]
        return items, evaluate(self.pool, items, list(self.adapters), self.limit)

    @property
    def _decoding(self) -> str:
        return f"greedy, {self.limit} tokens, likelihoods"

    def _known(self, probes: ProbeSet) -> dict[str, list[Draft]]:
        rows = Evaluation.objects.filter(
            adapter_sha256__in=["", *self.adapters.values()],
            base_sha256=self.pool.base.sha256,
            probes_sha256=probes.sha256,
            decoding=self._decoding,
        )
        return {
            row.adapter_sha256: [
                Draft(text, tokens, log_probability, over=True)
                for text, (tokens, log_probability) in zip(
                    row.answers, row.likelihoods, strict=True
                )
            ]
            for row in rows
        }

    def _answer(self, probes: ProbeSet, name: str, adapter_sha256: str) -> list[Draft]:
        prompts = [Prompt(probe.prompt, name or None) for probe in probes.probes]
        drafts = self.pool.drafts(prompts, Sampling(max_new_tokens=self.limit))
        answers = [draft.text for draft in drafts]
        evaluation_keep(
            adapter_sha256=adapter_sha256,
            base_sha256=self.pool.base.sha256,
            probes_sha256=probes.sha256,
            decoding=self._decoding,
            answers=answers,
            correct=scored(probes.items(""), answers),
            likelihoods=[(draft.tokens, draft.log_probability) for draft in drafts],
        )
        return drafts
