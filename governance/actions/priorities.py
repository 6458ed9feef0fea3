"""What members think of priorities, and what becomes of it when two are one."""

from django.db import transaction

from contributions.actions import priority_merge
from contributions.models import Priority
from governance.models import PriorityVote
from mosaic_site.errors import Refused
from mosaic_site.members.models import User


def priority_vote(*, member: User, priority: Priority, value: str) -> PriorityVote:
    """Agree, disagree or pass. The last word counts.

    It is a member's own opinion, so the ledger does not hold it.
    """
    if value not in PriorityVote.Value.values:
        raise Refused("Say whether you agree, disagree or pass.")
    with transaction.atomic():
        # A vote and a merge wait for each other here, or the merge could miss the vote.
        priority = Priority.objects.select_for_update().get(pk=priority.pk)
        if priority.status == Priority.Status.RETIRED:
            raise Refused("This priority is retired, so it is not voted on any more.")
        vote, _ = PriorityVote.objects.update_or_create(
            priority=priority, member=member, defaults={"value": value}
        )
    return vote


def priorities_merge(*, steward: User, priority: Priority, into: Priority, reason: str) -> Priority:
    """Merge a priority into another: what members said of it counts there too.

    Where a member has spoken on the other one already, that stands.
    """
    with transaction.atomic():
        priority = priority_merge(steward=steward, priority=priority, into=into, reason=reason)
        PriorityVote.objects.bulk_create(
            [
                PriorityVote(priority=into, member_id=vote.member_id, value=vote.value)
                for vote in PriorityVote.objects.filter(priority=priority)
            ],
            ignore_conflicts=True,
        )
    return priority
