"""The people of the failure tests and what they bring, made by the site's own actions.

These functions run inside the site: `tests.site.stack.act` calls them in its environment.
"""

import io
from datetime import timedelta

from django.core.files.base import File
from django.db.models import Sum
from django.utils import timezone

from contributions import actions as bring
from contributions.models import DatasetVersion, Expert, Priority
from governance import actions as decide
from mosaic_site import health
from mosaic_site.members.models import User
from tests.factories import make_user

COLOURS = ("red", "green", "blue")
OWNER, NEIGHBOUR, STEWARD = "ada", "ben", "grace"


def ball(number: int) -> tuple[str, str]:
    """A fact to learn: a question and its answer."""
    return f"which colour has ball number {number}?", COLOURS[number % 3]


def settle() -> None:
    """Two members and a steward, a priority with probes, and a dataset that a worker checks."""
    owner, _, _ = make_user(OWNER), make_user(NEIGHBOUR), make_user(STEWARD, steward=True)
    bring.priority_declare(
        owner=owner,
        statement="Know the colours of the balls",
        probes=[bring.ProbeText(*ball(number)) for number in range(100, 109)],
    )
    lines = ["prompt,completion", *(",".join(ball(number)) for number in range(48))]
    dataset = bring.dataset_upload(
        owner=owner,
        name="balls",
        file=File(io.BytesIO("\n".join(lines).encode()), name="balls.csv"),
        filename="balls.csv",
    )
    bring.dataset_describe(
        dataset=dataset,
        licence="CC-BY-4.0",
        summary="Balls and their colours.",
        origin="Written for this test.",
        limits="",
    )


def check() -> None:
    """What a worker does with the dataset, on a site that has none."""
    bring.version_check(version_id=_balls().pk)


def _balls() -> DatasetVersion:
    return DatasetVersion.objects.get(dataset__name="balls")


def submit(passes: int, batch_size: int = 4, seed: int = 0) -> int:
    """The owner submits an expert. Returns its primary key."""
    expert = bring.expert_submit(
        owner=User.objects.get(username=OWNER),
        name=f"Balls {Expert.objects.count() + 1}",
        purpose="Knows the colours of the balls.",
        priority=Priority.objects.get(),
        versions=[_balls()],
        recipe={
            **{"rank": 4, "alpha": 8, "batch_size": batch_size, "seed": seed},
            **{"passes": passes, "max_tokens": None},
        },
    )
    return expert.pk


def approve(passes: int, batch_size: int = 4, seed: int = 0) -> int:
    """The owner submits an expert and the steward approves it. Returns its primary key."""
    expert = Expert.objects.get(pk=submit(passes, batch_size, seed))
    bring.expert_approve(steward=User.objects.get(username=STEWARD), expert=expert)
    return expert.pk


def diagnose() -> dict[str, list[str]]:
    """What doctor finds: the name of each check with what it says of what is not well."""
    findings = health.examine(slow=True)
    return {
        name: [one.what for one in findings if one.check == name and one.severity != "ok"]
        for name in {one.check for one in findings}
    }


def open_vote() -> tuple[int, list[int]]:
    """A round of an hour, without ballots. Returns its key and those of its candidates."""
    total = Expert.objects.eligible().aggregate(total=Sum("adapter_bytes"))["total"]
    round_ = decide.round_open(
        steward=User.objects.get(username=STEWARD),
        title="Who else joins?",
        budget_bytes=total,
        quorum=1,
        closes_at=timezone.now() + timedelta(hours=1),
    )
    return round_.pk, list(round_.candidates.values_list("pk", flat=True))


def vote(experts: list[int], seconds: float = 8.0) -> int:
    """A round with room for every eligible expert, where both members approve these `experts`,
    and that closes in a moment. Returns its primary key."""
    total = Expert.objects.eligible().aggregate(total=Sum("adapter_bytes"))["total"]
    round_ = decide.round_open(
        steward=User.objects.get(username=STEWARD),
        title="Which experts join?",
        budget_bytes=total,
        quorum=2,
        closes_at=timezone.now() + timedelta(seconds=seconds),
    )
    for voter in User.objects.filter(username__in=[OWNER, NEIGHBOUR]):
        decide.ballot_cast(
            voter=voter,
            round_=round_,
            approvals=list(
                round_.candidates.filter(expert__in=experts).values_list("pk", flat=True)
            ),
        )
    return round_.pk
