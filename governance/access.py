"""The only way a view, a consumer or the API gets an object. What is not yours does not exist."""

from django.shortcuts import get_object_or_404

from governance.models import Ballot, Round
from governance.models.round import RoundQuerySet
from mosaic_site.members.models import User


def rounds_for_anyone() -> RoundQuerySet:
    return Round.objects.select_related("opened_by", "settled_by", "decision").with_counts()


def round_for_anyone(pk: int) -> Round:
    return get_object_or_404(rounds_for_anyone(), pk=pk)


def ballot_of(person: User, round_: Round) -> Ballot | None:
    """A person's own ballot. There is no way to get anybody else's."""
    return Ballot.objects.filter(round=round_, voter=person).first()


def may_vote(person: User, round_: Round) -> bool:
    return round_.electors.filter(member=person).exists()
