"""How much support a priority has, and how much it weighs when a release is composed."""

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from django.contrib.auth.models import AnonymousUser
from django.db.models import Count

from contributions.models import Priority
from governance.models import PriorityVote
from mosaic_site.members.models import SMALLEST_SHOWN, User


@dataclass(frozen=True)
class Opinions:
    """How many agree that a priority matters, and how many disagree."""

    agree: int
    disagree: int

    @property
    def said(self) -> int:
        return self.agree + self.disagree

    @property
    def share(self) -> float | None:
        """Of those who agree or disagree; None if nobody does."""
        return self.agree / self.said if self.said else None


@dataclass(frozen=True)
class Support:
    """What active members say of a priority: all of them, and the group that agrees the least.

    Of the groups that members declare only that one is shown. Both it and everybody outside it must
    count `SMALLEST_SHOWN` who agree or disagree. So nothing is learnt of a smaller group, nor by
    subtracting one number from another: what is left over is never fewer people than that.
    """

    everybody: Opinions
    passed: int
    group: str = ""
    least: Opinions | None = None


def support_of(priorities: Collection[int]) -> dict[int, Support]:
    """The support of each of these priorities, by their keys. One query."""
    counted = (
        PriorityVote.objects.filter(priority__in=priorities, member__is_active=True)
        .values_list("priority", "member__group__name", "value")
        .annotate(number=Count("pk"))
        .order_by()
    )
    groups: dict[int, dict[str | None, Counter[str]]] = defaultdict(lambda: defaultdict(Counter))
    for pk, group, value, number in counted:
        groups[pk][group][value] += number
    return {pk: support_among(groups[pk]) for pk in priorities}


def support_among(groups: Mapping[str | None, Counter[str]]) -> Support:
    """From how often each value was said in each declared group; None is no group."""
    values = sum(groups.values(), Counter[str]())
    everybody = _opinions(values)
    shown = []
    for name, said in groups.items():
        within = _opinions(said)
        smaller = min(within.said, everybody.said - within.said)
        if name is not None and smaller >= SMALLEST_SHOWN:
            shown.append((within.agree / within.said, name, within))
    if not shown:
        return Support(everybody, values["pass"])
    _, group, least = min(shown, key=lambda one: one[:2])
    return Support(everybody, values["pass"], group, least)


def _opinions(values: Counter[str]) -> Opinions:
    return Opinions(values["agree"], values["disagree"])


def weights(priorities: Collection[int]) -> dict[int, float]:
    """How much each of these priorities weighs in what a release is optimised for; 1 on average.

    In proportion to (agree + 1) / (agree + disagree + 2), the share that agrees by Laplace's rule
    of succession: two votes cannot outweigh two hundred, a priority on which nobody has voted
    counts as one half, and none counts as nothing. Whoever passes changes no weight.
    """
    shares = {
        pk: (support.everybody.agree + 1) / (support.everybody.said + 2)
        for pk, support in support_of(priorities).items()
    }
    mean = sum(shares.values()) / max(1, len(shares))
    return {pk: share / mean for pk, share in shares.items()}


@dataclass(frozen=True)
class Panel:
    """What a person sees of a priority's support: `own` is what they said, "" if nothing."""

    support: Support
    own: str


def panels_for(person: User | AnonymousUser, priorities: Sequence[Priority]) -> dict[int, Panel]:
    """The panels of these priorities, by their keys. Two queries."""
    keys = [priority.pk for priority in priorities]
    own: dict[int, str] = {}
    if isinstance(person, User):
        votes = PriorityVote.objects.filter(member=person, priority__in=keys)
        own = dict(votes.values_list("priority", "value"))
    return {pk: Panel(support, own.get(pk, "")) for pk, support in support_of(keys).items()}
