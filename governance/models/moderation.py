from django.conf import settings
from django.db import models
from django.urls import reverse


class Moderated(models.Model):
    """What a member wrote for everybody to read, and a steward may remove from sight.

    It keeps its place and its author, and shows why; its text is shown to stewards only.
    """

    noun: str
    """What it is called, in sentences and in addresses."""

    removed_at = models.DateTimeField(null=True, blank=True)
    removed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    removal_reason = models.TextField(blank=True, max_length=2000)

    class Meta:
        abstract = True

    @property
    def moderation_url(self) -> str:
        """Where it is reported and judged."""
        return reverse(f"governance:{self.noun}_moderation", args=[self.pk])


class Report(models.Model):
    """A member's word that something breaks the rules; it waits for a steward until answered.

    About one thing: a comment, a proposal or a slate.
    """

    comment = models.ForeignKey(
        "Comment", null=True, on_delete=models.CASCADE, related_name="reports"
    )
    proposal = models.ForeignKey(
        "Proposal", null=True, on_delete=models.CASCADE, related_name="reports"
    )
    slate = models.ForeignKey("Slate", null=True, on_delete=models.CASCADE, related_name="reports")
    member = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    reason = models.TextField(max_length=2000)
    created_at = models.DateTimeField(auto_now_add=True)
    # "removed" or "kept", with the steward's public reason.
    answer = models.CharField(max_length=10, blank=True)
    answer_reason = models.TextField(blank=True, max_length=2000)
    answered_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+"
    )
    answered_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["created_at", "id"]
        constraints = [
            models.UniqueConstraint(fields=["comment", "member"], name="report_once"),
            models.UniqueConstraint(fields=["proposal", "member"], name="report_proposal_once"),
            models.UniqueConstraint(fields=["slate", "member"], name="report_slate_once"),
            models.CheckConstraint(
                condition=models.Q(comment__isnull=False, proposal=None, slate=None)
                | models.Q(comment=None, proposal__isnull=False, slate=None)
                | models.Q(comment=None, proposal=None, slate__isnull=False),
                name="report_of_one_thing",
            ),
            models.CheckConstraint(
                condition=models.Q(answer__in=["", "removed", "kept"]), name="report_answer_known"
            ),
        ]

    def __str__(self) -> str:
        return f"report {self.pk}"
