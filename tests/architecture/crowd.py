"""A community with many rows of everything."""

import io
from datetime import timedelta

from django.core.files.base import File
from django.utils import timezone

from contributions import actions as bring
from contributions.models import Expert, Priority
from governance import actions as decide
from mosaic_site.members.models import User
from tests.architecture.things import Things
from tests.factories import (
    CSV,
    make_dataset,
    make_eligible_expert,
    make_expert,
    make_priority,
    make_user,
)
from tests.governance.makers import make_comment, make_proposal
from tests.training_workers.makers import (
    composing_release,
    go_live,
    make_job,
    provisional_round,
    step,
)
from training_workers import actions as work
from training_workers.models import Job, Release


class Crowd(Things):
    """`rows` of everything; each of the `Things` stands amid as many like it."""

    def __init__(self, rows: int) -> None:
        super().__init__()
        self.rows = rows
        self.members = [make_user() for _ in range(rows)]
        self._make_releases()
        self._make_rounds()
        self._make_data()
        self._make_experts()
        self._make_proposals()

    def other_states(self) -> list[str]:
        """Addresses of the same pages for things in another state."""
        eligible = Expert.objects.eligible()[0]
        return [
            self.open_round.get_absolute_url(),
            self.release.decision.round.get_absolute_url(),
            eligible.get_absolute_url(),
            eligible.priority.get_absolute_url(),
            *(queued.get_absolute_url() for queued in Job.objects.waiting()[:1]),
        ]

    def _make_releases(self) -> None:
        """Many of the first member's expert, the last live with everybody's; many that failed."""
        first, *others = self.members
        self._make_eligible(first)
        for _ in others:
            self._compose()
        for member in others:
            self._make_eligible(member)
        self.release = self._compose()
        for _ in self.members:
            composing_release(self.steward, list(Expert.objects.eligible()))
            job = work.job_claim_next(worker="bench:1")
            assert job is not None
            work.job_fail(job=job, reason="No space left.")

    def _make_eligible(self, member: User) -> None:
        make_eligible_expert(member, self.steward, priority=make_priority(member))

    def _compose(self) -> Release:
        return go_live(composing_release(self.steward, list(Expert.objects.eligible())))

    def _make_rounds(self) -> None:
        """Many that wait for a steward, and an open one in which every member has voted."""
        experts = list(Expert.objects.eligible())
        for _ in self.members:
            self.tallied_round = provisional_round(self.steward, experts)
        self.open_round = decide.round_open(
            steward=self.steward,
            title="Open",
            budget_bytes=sum(expert.adapter_bytes for expert in experts),
            quorum=1,
            closes_at=timezone.now() + timedelta(days=1),
        )
        candidates = list(self.open_round.candidates.values_list("pk", flat=True))
        for member in self.members:
            decide.ballot_cast(voter=member, round_=self.open_round, approvals=candidates)
            decide.slate_publish(
                author=member, round_=self.open_round, title="All", approvals=candidates
            )
            for priority in Priority.objects.all():
                decide.priority_vote(member=member, priority=priority, value="agree")

    def _make_data(self) -> None:
        """A dataset with many versions, and one of every member's that all may train on."""
        self.dataset = make_dataset(self.owner)
        for number in range(1, self.rows):
            content = CSV + f"one more question {number},library\n"
            bring.dataset_add_version(
                dataset=self.dataset,
                file=File(io.BytesIO(content.encode()), name="data.csv"),
                filename="data.csv",
            )
        for version in self.dataset.versions.all():
            bring.version_check(version_id=version.pk)
        for member in self.members:
            bring.dataset_publish(dataset=make_dataset(member))

    def _make_experts(self) -> None:
        """For one need, from one dataset: many that failed, that are trained, and that wait."""
        self.version = self.dataset.versions.latest("number")
        self.priority = make_priority(self.owner, probes=self.rows + 6)
        for _ in self.members:
            failing = self._begin_training()
            work.job_fail(job=failing, reason="The loss is no longer a number.")
        self.job = self._begin_training()
        for number in range(self.rows):
            step(self.job, number)
        for _ in self.members:
            make_job(self.owner, self.steward)
        for _ in self.members:
            self._submit()
        everything = list(self.dataset.versions.all())
        self.expert = make_expert(self.owner, priority=self.priority, versions=everything)
        self.returned_expert = bring.expert_return(
            steward=self.steward, expert=self._submit(), reason="Say more."
        )

    def _submit(self) -> Expert:
        return make_expert(self.owner, priority=self.priority, versions=[self.version])

    def _begin_training(self) -> Job:
        bring.expert_approve(steward=self.steward, expert=self._submit())
        work.reconcile()
        job = work.job_claim_next(worker="bench:1")
        assert job is not None
        return job

    def _make_proposals(self) -> None:
        """Many, the last of them edited, endorsed, discussed, and reported by everybody."""
        for member in self.members:
            make_proposal(member)
        proposal = self.proposal
        for number in range(self.rows):
            decide.proposal_edit(
                author=self.owner, proposal=proposal, title=f"Question {number}?", text="Why not."
            )
        for member in self.members:
            decide.endorse(member=member, proposal=proposal, version=self.rows + 1)
            comment = make_comment(member, proposal)
            decide.report_make(member=self.owner, thing=comment, reason="Off topic.")
            decide.report_make(member=member, thing=self.comment, reason="Off topic.")
