"""Verbs that change members and their groups. Nothing else writes them."""

from django.db import IntegrityError, transaction

from mosaic_site.errors import Refused
from mosaic_site.ledger.chain import record
from mosaic_site.members.models import MemberGroup, User


def member_make_steward(*, username: str) -> User:
    """Give a member the steward's rights: the operator's way, so the ledger names the site.

    Raises Refused where nobody has this name, and where the person is a steward already.
    """
    with transaction.atomic():
        member = User.objects.select_for_update().filter(username=username).first()
        if member is None:
            raise Refused(f"Nobody is called “{username}”. They join on the site first.")
        if member.is_steward:
            raise Refused(f"“{username}” is a steward already.")
        member.role = User.Role.STEWARD
        member.save(update_fields=["role"])
        record(actor=None, action="member.made_steward", subject=member)
    return member


def group_make(*, steward: User, name: str, description: str = "") -> MemberGroup:
    """Add a group that members may declare. Raises Refused where another has this name.

    The same group sent twice, by a double click say, is made once.
    """
    with transaction.atomic():
        same = MemberGroup.objects.filter(name=name, description=description).first()
        if same is not None:
            return same
        group = MemberGroup(name=name, description=description)
        _save(group)
        record(actor=steward, action="group.made", subject=group)
    return group


def group_edit(
    *, steward: User, group: MemberGroup, name: str, description: str = ""
) -> MemberGroup:
    """Name or describe a group anew; who declared it stays in it, and the ledger keeps the old.

    Raises Refused where another group has this name.
    """
    with transaction.atomic():
        group = MemberGroup.objects.select_for_update().get(pk=group.pk)
        was = {"name": group.name, "description": group.description}
        if was == {"name": name, "description": description}:
            return group
        group.name, group.description = name, description
        _save(group)
        record(actor=steward, action="group.edited", subject=group, data={"was": was})
    return group


def _save(group: MemberGroup) -> None:
    try:
        with transaction.atomic():
            group.save()
    except IntegrityError:
        raise Refused(f"There is a group called “{group.name}” already.") from None


def member_declare_group(*, member: User, group: MemberGroup | None) -> None:
    """Say to which group one belongs, or to none. Personal: the ledger does not hear of it."""
    User.objects.filter(pk=member.pk).update(group=group)
