"""The steps of `voting`, each run in a process of its own on a site in PostgreSQL."""

import json
import random
import sys
import time
import uuid
from collections.abc import Callable, Collection
from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from contributions.actions import ProbeText, base_register, priority_declare
from contributions.models import Expert
from governance import actions, audit, ballot_box, export
from governance.models import Ballot, Round
from mosaic_site.members.models import User

VOTERS, CANDIDATES, PROCESSES, SEED = 10_000, 60, 2, 7
MIB = 2**20


def prepare() -> None:
    """An open round in which every member may vote."""
    steward = User.objects.create_user("steward", "steward@example.org", role=User.Role.STEWARD)
    names = [f"member{number}" for number in range(1, VOTERS)]
    members = [User(username=name, email=f"{name}@example.org") for name in names]
    User.objects.bulk_create(members, batch_size=1000)
    base = base_register(
        name="base", source="nowhere", revision="", sha256="b" * 64, parameters=1000,
        context_length=128, licence="", activate=True,
    )  # fmt: skip
    probes = [ProbeText(f"question {number}?", "answer") for number in range(10)]
    priority = priority_declare(owner=steward, statement="Answer questions.", probes=probes)
    Expert.objects.bulk_create(
        Expert(
            owner=steward, name=f"expert {number}", purpose="Answers.", priority=priority,
            base=base, status=Expert.Status.ELIGIBLE, submitted_at=timezone.now(),
            adapter_sha256=f"{number:064d}", adapter_bytes=MIB,
        )
        for number in range(CANDIDATES)
    )  # fmt: skip
    actions.round_open(
        steward=steward,
        title="Large",
        budget_bytes=CANDIDATES * MIB // 4,
        quorum=VOTERS,
        closes_at=timezone.now() + timedelta(hours=1),
    )


Cast = Callable[[User, Round, Collection[int]], str]


def chained(voter: User, round_: Round, approvals: Collection[int]) -> str:
    """As the site casts. Returns the receipt."""
    return actions.ballot_cast(voter=voter, round_=round_, approvals=approvals).receipt


def plain(voter: User, round_: Round, approvals: Collection[int]) -> str:
    """The two rows of a cast and no more: no chain, so nobody waits for anybody."""
    receipt = uuid.uuid4().hex
    with transaction.atomic():
        round_.electors.filter(member=voter).update(voted=True)
        text = ballot_box.ballot_text(map(str, approvals), {})
        Ballot.objects.create(
            round=round_, voter=receipt, nonce=receipt, content=text, receipt=receipt
        )
    return receipt


def cast(one: Cast, part: int) -> None:
    """Cast the ballots of one process's members, once a line on stdin says so."""
    round_ = Round.objects.get()
    keys = list(round_.candidates.values_list("pk", flat=True))
    voters = list(User.objects.order_by("pk"))[part::PROCESSES]
    draws = random.Random(SEED + part)
    ballots = [draws.sample(keys, draws.randint(1, 20)) for _ in voters]
    print("ready", flush=True)
    sys.stdin.readline()
    began = time.time()
    receipts = [one(*each) for each in zip(voters, [round_] * len(voters), ballots, strict=True)]
    print(json.dumps({"began": began, "ended": time.time(), "receipts": receipts}))


def prove() -> None:
    """Audit the round, and give its chain away."""
    round_ = Round.objects.get()
    began = time.perf_counter()
    proving = audit.prove(round_)
    holds = [next(proving)]
    chain = time.perf_counter() - began
    holds += proving
    everything = time.perf_counter() - began
    lines = list(export.chain_lines(round_))
    print(json.dumps({"chain": chain, "all": everything, "holds": holds, "lines": lines}))
