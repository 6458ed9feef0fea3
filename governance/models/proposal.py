import hashlib
import uuid

from django.conf import settings
from django.db import models
from django.db.models.functions import Coalesce
from django.urls import reverse

from contributions.models import Expert
from governance.models.moderation import Moderated
from mosaic_site.lifecycle import Lifecycle

PROPOSAL_LIFECYCLE = Lifecycle(
    "proposal",
    {
        "open": frozenset({"on_ballot", "withdrawn", "decided"}),
        "on_ballot": frozenset({"open", "decided"}),
        "decided": frozenset(),
        "withdrawn": frozenset(),
    },
)


class ProposalQuerySet(models.QuerySet["Proposal"]):
    def with_people(self) -> "ProposalQuerySet":
        return self.select_related("author", "removed_by", "expert__owner")

    def with_counts(self) -> "ProposalQuerySet":
        """Adds `endorsement_count`, `comment_count`: of comments that were not removed."""
        return self.annotate(
            endorsement_count=_count(Endorsement.objects.all()),
            comment_count=_count(Comment.objects.filter(removed_at=None)),
        )

    def questions(self) -> "ProposalQuerySet":
        """Those that a ballot answers with yes or no."""
        return self.exclude(kind=Proposal.Kind.ADMIT)

    def ready(self) -> "ProposalQuerySet":
        """Questions with enough endorsements to stand in the next round; hidden ones do not."""
        return (
            self.questions()
            .filter(status=Proposal.Status.OPEN, removed_at=None)
            .alias(behind_it=_count(Endorsement.objects.all()))
            .filter(behind_it__gte=settings.MOSAIC_ENDORSEMENTS)
        )


def _count(rows: "models.QuerySet[Endorsement] | models.QuerySet[Comment]") -> Coalesce:
    """How many of `rows` a proposal has: a subquery, for a join would multiply them."""
    counted = (
        rows.filter(proposal=models.OuterRef("pk"))
        .order_by()
        .values("proposal")
        .annotate(number=models.Count("pk"))
        .values("number")
    )
    return Coalesce(models.Subquery(counted), 0)


class Proposal(Moderated):
    """What a round is to decide: admit an expert, retire one, or answer a yes/no question.

    Every eligible expert has a proposal to admit it, and stands in the next round without further
    ado; the others stand once enough members endorse them. One that is hidden stands in no further
    round unless an expert brings it there; on a ballot that is fixed already its title stays.
    """

    noun = "proposal"

    class Kind(models.TextChoices):
        ADMIT = "admit", "admit an expert"
        RETIRE = "retire", "retire an expert"
        QUESTION = "question", "answer a question"

    class Status(models.TextChoices):
        OPEN = "open", "open"
        ON_BALLOT = "on_ballot", "on the ballot"
        DECIDED = "decided", "decided"
        WITHDRAWN = "withdrawn", "withdrawn"

    kind = models.CharField(max_length=10, choices=Kind)
    expert = models.ForeignKey(
        Expert, null=True, blank=True, on_delete=models.PROTECT, related_name="proposals"
    )
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="proposals"
    )
    status = models.CharField(max_length=10, choices=Status, default=Status.OPEN)
    status_reason = models.TextField(blank=True)
    # A fraction p/q of the yes and no votes that must be exceeded; for questions.
    threshold = models.CharField(max_length=10, default="1/2")
    created_at = models.DateTimeField(auto_now_add=True)
    once = models.UUIDField(unique=True, default=uuid.uuid4, editable=False)

    objects = ProposalQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-id"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(status__in=sorted(PROPOSAL_LIFECYCLE.states)),
                name="proposal_status_known",
            ),
            models.CheckConstraint(
                condition=models.Q(kind="question", expert=None)
                | models.Q(kind__in=["admit", "retire"], expert__isnull=False),
                name="proposal_expert_by_kind",
            ),
            models.UniqueConstraint(
                fields=["kind", "expert"],
                condition=models.Q(status__in=["open", "on_ballot"]),
                name="proposal_once_per_expert",
            ),
        ]

    def __str__(self) -> str:
        return f"Hidden proposal {self.pk}" if self.removed_at else self.latest.title

    def get_absolute_url(self) -> str:
        return reverse("governance:proposal_detail", args=[self.pk])

    @property
    def latest(self) -> "ProposalVersion":
        """What it says now. Reads what is prefetched; a proposal is made with its first version."""
        return self.versions.all()[0]

    @property
    def about(self) -> str:
        return f"proposal “{self}”"

    @property
    def said(self) -> str:
        return f"{self.latest.title}\n\n{self.latest.text}"

    @property
    def is_discussed(self) -> bool:
        """Whether members may still comment on it."""
        return self.status in (self.Status.OPEN, self.Status.ON_BALLOT)


class ProposalVersion(models.Model):
    """What a proposal says, unchangeable; an edit is the next number."""

    proposal = models.ForeignKey(Proposal, on_delete=models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()
    title = models.CharField(max_length=160)
    text = models.TextField(max_length=10_000, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["proposal", "-number"]
        constraints = [
            models.UniqueConstraint(fields=["proposal", "number"], name="proposal_version_once")
        ]

    def __str__(self) -> str:
        return self.title

    @property
    def sha256(self) -> str:
        """Of the title, a line break and the text: what a ballot binds itself to."""
        return hashlib.sha256(f"{self.title}\n{self.text}".encode()).hexdigest()


class Endorsement(models.Model):
    """A member's word that a proposal should be voted on. An edit takes all of them back."""

    proposal = models.ForeignKey(Proposal, on_delete=models.CASCADE, related_name="endorsements")
    member = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="endorsements"
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["proposal", "member"], name="endorsement_once")
        ]

    def __str__(self) -> str:
        return f"{self.member} for {self.proposal}"


class Comment(Moderated):
    """One contribution to the discussion of a proposal. Plain text."""

    noun = "comment"

    proposal = models.ForeignKey(Proposal, on_delete=models.PROTECT, related_name="comments")
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="comments"
    )
    text = models.TextField(max_length=4000)
    created_at = models.DateTimeField(auto_now_add=True)
    once = models.UUIDField(unique=True, default=uuid.uuid4, editable=False)

    class Meta:
        ordering = ["created_at", "id"]

    def __str__(self) -> str:
        return f"comment {self.pk}"

    def get_absolute_url(self) -> str:
        return self.moderation_url

    @property
    def about(self) -> str:
        return f"comment on “{self.proposal}”"

    @property
    def said(self) -> str:
        return self.text


class ThreadMute(models.Model):
    """A member's wish to hear no more of a proposal's discussion."""

    proposal = models.ForeignKey(Proposal, on_delete=models.CASCADE, related_name="mutes")
    member = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["proposal", "member"], name="thread_mute_once")
        ]

    def __str__(self) -> str:
        return f"{self.member} on {self.proposal}"
