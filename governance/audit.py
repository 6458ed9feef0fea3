"""Proving a round from its rows: what `manage.py audit_round` says, line by line."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from governance import ballot_box, tally
from governance.actions.counting import expert_election, question_election
from governance.models import BoxEntry, BoxHead, Decision, Round
from governance.recount import recount


class Broken(Exception):
    """What does not hold, and where."""


def prove(round_: Round, earlier: Sequence[Mapping[str, Any]] | None = None) -> Iterator[str]:
    """Each statement that holds, in turn. Raises Broken at the first that does not.

    `earlier`: the lines of a chain that was taken away before.
    """
    entries = list(round_.box_entries.order_by("position"))
    if not entries:
        raise Broken("the round has no ballot box: it was never frozen")
    yield _chain(round_, entries)
    if earlier is not None:
        yield _prefix(entries, earlier)
    yield _setup(round_, json.loads(entries[0].payload))
    live = _live_receipts(entries)
    yield _openings(round_, live)
    if len(live) > (electors := round_.electors.count()):
        raise Broken(f"{len(live)} ballots count, and there are only {electors} electors")
    yield f"the electorate is not exceeded: {len(live)} ballots, {electors} electors"
    voted = round_.electors.filter(voted=True).count()
    if voted != len(live):
        raise Broken(f"{voted} electors are marked as having voted, and {len(live)} ballots count")
    yield f"as many electors voted as ballots count: {voted}"
    for decision in round_.decisions.all():
        yield _counts(round_, decision)


def _chain(round_: Round, entries: Sequence[BoxEntry]) -> str:
    previous = ballot_box.FIRST
    for position, entry in enumerate(entries):
        if entry.position != position:
            raise Broken(f"entry {position} is missing")
        if entry.previous != previous:
            raise Broken(f"entry {position} does not follow the one before it")
        if entry.hash != ballot_box.link(previous, position, entry.kind, entry.payload):
            raise Broken(f"entry {position} is not what was recorded")
        previous = entry.hash
    head = BoxHead.objects.get(round=round_)
    if (head.length, head.hash) != (len(entries), previous):
        raise Broken("entries at the end are missing")
    return f"the chain is intact: {len(entries)} entries, last hash {previous}"


def _prefix(entries: Sequence[BoxEntry], earlier: Sequence[Mapping[str, Any]]) -> str:
    for position, line in enumerate(earlier):
        if position >= len(entries) or entries[position].line() != dict(line):
            raise Broken(f"entry {position} of the earlier export is not in today's chain")
    return f"the earlier export is a prefix of today's chain: {len(earlier)} entries"


def _setup(round_: Round, setup: Mapping[str, Any]) -> str:
    root = ballot_box.electors_root(one.public_id for one in round_.electors.all())
    fixed = {
        "electors": round_.electors.count(),
        "electors_root": root,
        "lot_commitment": round_.lot_commitment,
        "budget": round_.budget_bytes,
        "quorum": round_.quorum,
    }
    for name, value in fixed.items():
        # Rounds from before there was a ballot box have a shorter setup.
        if name in setup and setup[name] != value:
            raise Broken(f"{name} is {value!r} now and was {setup[name]!r} at the freeze")
    candidates = {
        str(one.pk): (one.adapter_sha256, one.cost_bytes) for one in round_.candidates.all()
    }
    listed = setup.get("candidates", [])
    frozen = {one["id"]: (one["adapter_sha256"], one["cost"]) for one in listed}
    if frozen and frozen != candidates:
        raise Broken("the candidates are not those of the freeze")
    return f"what was frozen is unchanged: {len(candidates)} candidates, root {root}"


def _live_receipts(entries: Sequence[BoxEntry]) -> set[str]:
    """The last receipt of each pseudonym."""
    casts = (json.loads(entry.payload) for entry in entries if entry.kind == BoxEntry.Kind.CAST)
    return set({cast["voter"]: cast["receipt"] for cast in casts}.values())


def _openings(round_: Round, live: set[str]) -> str:
    opened = set()
    for ballot in round_.ballots.all():
        if ballot.receipt != ballot_box.receipt(ballot.nonce, ballot.content):
            raise Broken(f"the ballot under {ballot.receipt} is not the one that was cast")
        opened.add(ballot.receipt)
    if opened != live:
        odd = sorted(opened ^ live)
        raise Broken(f"{len(odd)} receipts and ballots do not match, {odd[0]} first")
    return f"every live ballot is opened, once: {len(opened)}"


def _counts(round_: Round, decision: Decision) -> str:
    ballots = list(round_.ballots.order_by("receipt"))
    without = [str(one["candidate"]) for one in decision.without]
    election = expert_election(round_, ballots, without)
    _same(f"tally {decision.number}", election, decision.recount)
    for question in round_.questions.all():
        published = next(one for one in decision.questions if one["id"] == str(question.pk))
        _same(f"“{question}”", question_election(question, ballots), published["recount"])
    if not decision.both_agree:
        raise Broken(f"the two counts of tally {decision.number} differ as published")
    return f"tally {decision.number}: both counts find the published winners {decision.recount}"


def _same(what: str, election: dict[str, Any], published: list[str]) -> None:
    first = [winner["id"] for winner in tally.count(election)["winners"]]
    second = recount(election)
    if not first == second == published:
        raise Broken(f"{what}: the counts find {first} and {second}, published is {published}")
