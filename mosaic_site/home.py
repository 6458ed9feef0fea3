"""The roof: the home page, which looks at every floor below it."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.db.models import CharField, Count, Exists, F, Model, OuterRef, Q, QuerySet, Value
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse

from contributions.models import Dataset, DatasetVersion, Expert, Priority
from governance.models import Elector, Round
from mosaic_site.ledger.models import Entry
from mosaic_site.ledger.reading import told
from mosaic_site.members.models import User
from training_workers.access import releases_for_anyone
from training_workers.models import Job, Release
from training_workers.panel import Progress
from training_workers.tiles import tiles_of

LEDGER_LINES = 6
MOST_JOBS = 5
MOST_NEEDS = 5


@dataclass(frozen=True)
class Need:
    """Something that waits for the person who looks."""

    text: str
    url: str
    action: str


@dataclass(frozen=True)
class Step:
    """One step of the loop, as `components/steps.html` draws it."""

    label: str
    detail: str
    url: str
    state: str


class Numbers:
    """How many rows of each kind there are in each state: one query for the whole page."""

    def __init__(self) -> None:
        parts = [_by_state(model, F("status")) for model in (Priority, Expert, Round, Release)]
        parts += [_by_state(model, Value("", CharField())) for model in (User, Dataset)]
        rows = parts[0].union(*parts[1:], all=True)
        self.counts = Counter({(kind, state): number for kind, state, number in rows})

    def of(self, model: type[Model], *states: str) -> int:
        """Rows in these states; without a state, all rows."""
        return sum(
            number
            for (kind, state), number in self.counts.items()
            if kind == model.__name__ and (not states or state in states)
        )


def _by_state(model: type[Model], state: Any) -> QuerySet[Any, tuple[str, str, int]]:
    groups = model._default_manager.order_by().values_list(
        Value(model.__name__, CharField()), state
    )
    rows: QuerySet[Any, tuple[str, str, int]] = groups.annotate(number=Count("pk"))
    return rows


def _steps(numbers: Numbers, live: Release | None, open_round: Round | None) -> list[Step]:
    training = numbers.of(Expert, "approved", "training")
    composed = numbers.of(Release, "live", "retired")
    lines = [
        ("Say what is needed", _count(numbers.of(Priority, "open"), "priority", "priorities"),
         "contributions:priority_list", numbers.of(Priority)),
        ("Bring data", _count(numbers.of(Dataset), "dataset"),
         "contributions:dataset_list", numbers.of(Dataset)),
        ("Train experts", f"{numbers.of(Expert, 'eligible')} ready, {training} in training",
         "contributions:expert_list", numbers.of(Expert, "eligible")),
        ("Vote", "a round is open" if open_round else _count(numbers.of(Round), "round"),
         "governance:round_list", numbers.of(Round)),
        ("Compose", _count(composed, "release"), "training_workers:release_list", composed),
        ("Talk", f"release {live.number} answers" if live else "the base answers",
         "training_workers:talk", live),
    ]  # fmt: skip
    first_todo = next((label for label, _, _, done in lines if not done), "")
    return [
        Step(
            label=label,
            detail=detail,
            url=reverse(url),
            state="done" if done else "current" if label == first_todo else "todo",
        )
        for label, detail, url, done in lines
    ]


def _figures(numbers: Numbers) -> list[tuple[str, int]]:
    """What there is, each as its name, in the singular for one, and how many."""
    counted = [
        (numbers.of(User), "member", ""),
        (numbers.of(Priority, "open"), "priority", "priorities"),
        (numbers.of(Dataset), "dataset", ""),
        (numbers.of(Expert), "expert", ""),
        (numbers.of(Round), "round", ""),
        (numbers.of(Release), "release", ""),
    ]
    return [(_noun(number, one, many), number) for number, one, many in counted]


def _noun(number: int, one: str, many: str = "") -> str:
    return one if number == 1 else many or f"{one}s"


def _count(number: int, one: str, many: str = "") -> str:
    return f"{number} {_noun(number, one, many)}"


def _open_round(person: User | None) -> Round | None:
    """The open round, annotated with whether the person may vote (`mine`) and has (`voted`)."""
    rounds = Round.objects.filter(status=Round.Status.OPEN)
    own = Elector.objects.filter(round=OuterRef("pk"), member=person)
    return rounds.annotate(mine=Exists(own), voted=Exists(own.filter(voted=True))).first()


def _needs_of_member(person: User, open_round: Any) -> Iterator[Need]:
    may_vote = open_round is not None and open_round.takes_ballots and open_round.mine
    if may_vote and not open_round.voted:
        url = reverse("governance:ballot", args=[open_round.pk])
        yield Need(f"“{open_round.title}” is open and you have not voted.", url, "Vote")
    held_up = Expert.objects.filter(
        owner=person, status__in=[Expert.Status.RETURNED, Expert.Status.FAILED]
    )
    for expert in held_up[:MOST_NEEDS]:
        url = expert.get_absolute_url()
        yield Need(f"Your expert “{expert.name}” was held up: {expert.status_reason}", url, "Look")
    stuck: dict[str, tuple[str, str]] = {
        DatasetVersion.Status.INVALID: ("has errors in its file.", "Mend it"),
        DatasetVersion.Status.UNMAPPED: ("waits: which column is what?", "Say so"),
    }
    held = Dataset.objects.with_latest().filter(Q(latest_status__in=stuck), owner=person)
    for dataset in held[:MOST_NEEDS]:
        what, action = stuck[dataset.latest_status]  # type: ignore[attr-defined]
        url = dataset.get_absolute_url()
        yield Need(f"Your dataset “{dataset.name}” {what}", url, action)


def _needs_of_steward(numbers: Numbers) -> Iterator[Need]:
    desk = reverse("training_workers:desk")
    waiting = numbers.of(Expert, Expert.Status.SUBMITTED)
    if waiting:
        yield Need(f"{_count(waiting, 'expert')} to approve or return.", desk, "To the desk")
    results = numbers.of(Round, Round.Status.PROVISIONAL)
    if results:
        yield Need(f"{_count(results, 'result')} to ratify or contest.", desk, "To the desk")
    failed = numbers.of(Release, Release.Status.FAILED)
    if failed:
        yield Need(f"{_count(failed, 'release')} could not be composed.", desk, "To the desk")


def home(request: HttpRequest) -> HttpResponse:
    """What this community is building, and what needs the person who looks."""
    person = request.user if isinstance(request.user, User) else None
    numbers = Numbers()
    live = releases_for_anyone().live().first()
    open_round = _open_round(person)
    needs: list[Need] = []
    if person is not None:
        needs += _needs_of_steward(numbers) if person.is_steward else []
        needs += _needs_of_member(person, open_round)
    jobs = Job.objects.active().select_related("expert__owner", "release")
    context = {
        "live": live,
        "tiles": tiles_of(live.members.all()) if live else [],
        "figures": _figures(numbers),
        "steps": _steps(numbers, live, open_round),
        "needs": needs,
        "open_round": open_round,
        # Those that run first, then those that wait.
        "jobs": [
            {"job": job, "progress": Progress.read(job.progress)}
            for job in jobs.order_by("-status", "id")[:MOST_JOBS]
        ],
        "lines": told(Entry.objects.all()[:LEDGER_LINES], request.user),
        "is_new": not numbers.of(Priority) and live is None,
    }
    return render(request, "home.html", context)
