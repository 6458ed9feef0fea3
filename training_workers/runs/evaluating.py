"""Scoring experts on probes, each expert and probe set once."""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from contributions.models import Priority, Probe
from training_workers.actions.evaluations import evaluation_keep
from training_workers.engine.bases import Base
from training_workers.engine.pool import ExpertPool, Prompt, Sampling
from training_workers.engine.scoring import exact_match
from training_workers.models import Evaluation

# An answer longer than this is not what a probe asks for.
MOST_NEW_TOKENS = 64


@dataclass(frozen=True)
class ProbeSet:
    """The probes of one priority and one part, in order."""

    priority: Priority
    part: str
    probes: tuple[Probe, ...]

    @property
    def sha256(self) -> str:
        """Covers prompts and references in their order."""
        text = json.dumps([[probe.prompt, probe.answer] for probe in self.probes])
        return hashlib.sha256(text.encode()).hexdigest()


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


def new_tokens(base: Base, probes: ProbeSet) -> int:
    """How many tokens an answer may have: a few more than the longest reference."""
    longest = max(len(base.tokenizer(probe.answer)["input_ids"]) for probe in probes.probes)
    return min(MOST_NEW_TOKENS, longest + 4)


def evaluate(
    pool: ExpertPool,
    base: Base,
    adapters: Mapping[str, str],
    sets: Sequence[ProbeSet],
    on_progress: Callable[[int, int], None],
    should_stop: Callable[[], bool],
) -> dict[str, dict[str, list[bool]]]:
    """Who answers which probe right: probe set's hash -> model's name -> one result a probe.

    `adapters` maps names in the pool to the adapters' hashes; "" in it is the base alone. What
    was evaluated before is read, not computed again. Returns what there is where `should_stop`.
    """
    found: dict[str, dict[str, list[bool]]] = {probes.sha256: {} for probes in sets}
    total = len(sets) * len(adapters)
    done = 0
    for probes in sets:
        limit = new_tokens(base, probes)
        decoding = f"greedy, {limit} tokens"
        known = {
            row.adapter_sha256: [bool(right) for right in row.correct]
            for row in Evaluation.objects.filter(
                adapter_sha256__in=adapters.values(),
                base_sha256=base.sha256,
                probes_sha256=probes.sha256,
                decoding=decoding,
            )
        }
        for name, adapter_sha256 in adapters.items():
            if should_stop():
                return found
            if adapter_sha256 not in known:
                prompts = [Prompt(probe.prompt, name or None) for probe in probes.probes]
                answers = pool.generate(prompts, Sampling(max_new_tokens=limit))
                correct = [
                    exact_match(answer, probe.answer)
                    for answer, probe in zip(answers, probes.probes, strict=True)
                ]
                evaluation_keep(
                    adapter_sha256=adapter_sha256,
                    base_sha256=base.sha256,
                    probes_sha256=probes.sha256,
                    decoding=decoding,
                    answers=answers,
                    correct=correct,
                )
                known[adapter_sha256] = correct
            found[probes.sha256][name] = known[adapter_sha256]
            done += 1
            on_progress(done, total)
    return found
