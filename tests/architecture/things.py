"""The things that addresses speak of, each made when it is first asked for."""

from datetime import timedelta
from functools import cached_property
from pathlib import Path

from django.urls import reverse
from django.utils import timezone

from contributions import actions as bring
from contributions.models import Dataset, DatasetVersion, Expert, Priority, Upload
from contributions.views.downloads import link_for
from governance import actions as decide
from governance.models import Candidate, Comment, Proposal, Round, Slate, Veto
from mosaic_site.members.actions import group_make
from mosaic_site.members.models import ApiToken, MemberGroup, Scope, User
from mosaic_site.members.tokens import token_make
from mosaic_site.notices.models import Notice
from tests import adapters
from tests.architecture.doors import DOORS
from tests.factories import (
    CSV,
    make_brought_expert,
    make_dataset,
    make_eligible_expert,
    make_expert,
    make_upload,
    make_user,
    send_parts,
)
from tests.governance.makers import make_comment, make_proposal
from tests.notices.makers import make_notice
from tests.training_workers.makers import (
    composing_release,
    make_job,
    make_live_release,
    provisional_round,
)
from training_workers import actions as work
from training_workers.models import Job, Release


def write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


class Things:
    """What one member has, and the rounds and releases of the community around it."""

    def __init__(self) -> None:
        self.people: dict[str, User | None] = {
            "visitor": None,
            "stranger": make_user(),
            "owner": make_user(),
            "steward": make_user(steward=True),
        }

    def url(self, name: str) -> str:
        """The address called `name`, with its thing in it."""
        thing = DOORS[name][1]
        return reverse(name, args=[self.key(thing)] if thing else [])

    def key(self, thing: str) -> int | str:
        """How `thing` is named in an address."""
        row = getattr(self, thing)
        if isinstance(row, str):
            return row
        key: int = row.number if isinstance(row, Release) else row.pk
        return key

    @property
    def owner(self) -> User:
        owner = self.people["owner"]
        assert owner is not None
        return owner

    @property
    def steward(self) -> User:
        steward = self.people["steward"]
        assert steward is not None
        return steward

    model_name = "mosaic/base"

    @property
    def help(self) -> str:
        return "data"

    @cached_property
    def notice(self) -> Notice:
        return make_notice(self.owner)

    @cached_property
    def group(self) -> MemberGroup:
        return group_make(steward=self.steward, name="Nurses")

    @cached_property
    def dataset(self) -> Dataset:
        return make_dataset(self.owner)

    @cached_property
    def version(self) -> DatasetVersion:
        return self.dataset.versions.get()

    @cached_property
    def owners_link(self) -> str:
        return link_for(self.owner, self.version, "upload")

    @cached_property
    def unchecked_version(self) -> DatasetVersion:
        """Its file cannot be read, so that every check of it broke off."""
        dataset = make_dataset(self.owner)
        version = dataset.versions.get()
        version.file.delete(save=False)
        version.file.name = "datasets/gone.csv"
        version.status = DatasetVersion.Status.RECEIVED
        version.save()
        for _ in range(3):
            bring.version_check(version_id=version.pk)
        version.refresh_from_db()
        assert version.check_broke_off
        return version

    @cached_property
    def unmapped_version(self) -> DatasetVersion:
        """Its columns have names that say nothing."""
        version = make_dataset(self.owner, content="alpha,beta\n1,2\n").versions.get()
        assert version.status == DatasetVersion.Status.UNMAPPED
        return version

    @cached_property
    def personal_version(self) -> DatasetVersion:
        """Somebody's address is in it."""
        content = CSV + "write to anna.lee@example.org,contact\n"
        version = make_dataset(self.owner, content=content).versions.get()
        assert not version.is_cleared
        return version

    @cached_property
    def upload(self) -> Upload:
        return make_upload(self.owner)

    @cached_property
    def whole_upload(self) -> Upload:
        """All of its parts are here."""
        upload = make_upload(self.owner)
        send_parts(upload)
        return upload

    @cached_property
    def token(self) -> ApiToken:
        token, _ = token_make(
            member=self.owner, name="Cron", scopes=[Scope.DATASETS_WRITE], days=30
        )
        return token

    @cached_property
    def expert(self) -> Expert:
        return make_expert(self.owner, versions=[self.version])

    @cached_property
    def priority(self) -> Priority:
        return self.expert.priority

    @cached_property
    def returned_expert(self) -> Expert:
        expert = make_expert(self.owner)
        return bring.expert_return(steward=self.steward, expert=expert, reason="Say more.")

    @cached_property
    def returned_brought_expert(self) -> Expert:
        expert = make_brought_expert(self.owner)
        return bring.expert_return(steward=self.steward, expert=expert, reason="Say more.")

    @cached_property
    def job(self) -> Job:
        return make_job(self.owner, self.steward)

    @cached_property
    def tallied_round(self) -> Round:
        return provisional_round(self.steward, [make_eligible_expert(self.owner, self.steward)])

    @cached_property
    def veto(self) -> Veto:
        round_ = self.tallied_round
        return decide.veto_move(
            steward=make_user(steward=True),
            round_=round_,
            candidate=round_.candidates.first(),
            ground=Veto.Ground.SAFETY,
            reason="It failed.",
        )

    @cached_property
    def own_veto(self) -> Veto:
        """Moved by the owner, when that was a steward."""
        return decide.veto_move(
            steward=self.owner,
            round_=self.tallied_round,
            candidate=None,
            ground=Veto.Ground.LAW,
            reason="It is against the law.",
        )

    @cached_property
    def planned_round(self) -> Round:
        tomorrow = timezone.now() + timedelta(days=1)
        return decide.round_schedule(
            steward=self.steward,
            title="Planned",
            budget_bytes=2**20,
            quorum=1,
            opens_at=tomorrow,
            closes_at=tomorrow + timedelta(days=1),
        )

    @cached_property
    def open_round(self) -> Round:
        expert = make_eligible_expert(self.owner, self.steward)
        return decide.round_open(
            steward=self.steward,
            title="Open",
            budget_bytes=expert.adapter_bytes,
            quorum=1,
            closes_at=timezone.now() + timedelta(days=1),
        )

    @cached_property
    def receipt(self) -> str:
        """Of a ballot that another member has cast."""
        voter = self.people["stranger"]
        assert voter is not None
        return decide.ballot_cast(voter=voter, round_=self.open_round, approvals=[]).receipt

    @cached_property
    def candidate(self) -> Candidate:
        return self.open_round.candidates.all()[0]

    @cached_property
    def proposal(self) -> Proposal:
        return make_proposal(self.owner)

    @cached_property
    def comment(self) -> Comment:
        """Reported by a third member, so that a steward has something to answer."""
        comment = make_comment(self.owner, self.proposal)
        decide.report_make(member=make_user(), thing=comment, reason="Spam: it sells things.")
        return comment

    @cached_property
    def slate(self) -> Slate:
        candidates = self.open_round.candidates.values_list("pk", flat=True)
        return decide.slate_publish(
            author=self.owner, round_=self.open_round, title="All", approvals=list(candidates)
        )

    @cached_property
    def release(self) -> Release:
        return make_live_release(self.owner, self.steward)

    @cached_property
    def whole_release(self) -> Release:
        """Its files are there."""
        for member in self.release.members.select_related("expert"):
            for name, content in adapters.folder().items():
                write(member.expert.adapter_path / name, content)
        write(
            self.release.strategy_path / "strategy.json",
            b'{"name": "best_single", "scores": {"": 1}}',
        )
        return self.release

    @cached_property
    def retired_release(self) -> Release:
        first = make_live_release(self.owner, self.steward, experts=1)
        make_live_release(self.owner, self.steward, experts=1)
        first.refresh_from_db()
        return first

    @cached_property
    def failed_release(self) -> Release:
        expert = make_eligible_expert(self.owner, self.steward)
        release = composing_release(self.steward, [expert])
        job = work.job_claim_next(worker="bench:1")
        assert job is not None and job.release == release
        work.job_fail(job=job, reason="No space left.")
        release.refresh_from_db()
        return release
