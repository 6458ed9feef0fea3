"""Verbs that change members and their groups. Nothing else writes them."""

import secrets

from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.models import Session
from django.db import IntegrityError, models, transaction
from django.utils import timezone

from mosaic_site import live
from mosaic_site.errors import Refused
from mosaic_site.ledger.chain import forget, record
from mosaic_site.members.models import MemberGroup, User

# Apps whose rows are nobody else's business than the member's to whom they point.
PERSONAL = {"account", "mfa", "members", "notices"}


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


def member_leave(*, member: User, take_everything: bool) -> None:
    """Delete an account for good. What must go on holding stays, under nobody's name.

    The row itself stays, emptied: ballots' electorates, receipts, counts and chains point to it.
    `take_everything`: whether what they published is withdrawn, too; the floors above do so when
    they next look. Raises Refused for the last steward.
    """
    with transaction.atomic():
        # All of them and in order: two who leave at once wait for each other, and one stays.
        stewards = User.objects.select_for_update().filter(role=User.Role.STEWARD).order_by("pk")
        remaining = [one for one in stewards if one.is_active and one.pk != member.pk]
        member = User.objects.select_for_update().get(pk=member.pk)
        if member.left_at is not None:
            return
        if member.is_steward and not remaining:
            raise Refused(
                "You are the only steward, and without one no expert is approved and no round "
                "opens. Have another member made a steward first: whoever runs this site does it "
                "with `manage.py make_steward`."
            )
        for name in ("username", "first_name", "last_name", "email"):
            setattr(member, name, "")
        member.username = f"left-{secrets.token_hex(8)}"
        # Unique and of nobody: https://www.rfc-editor.org/rfc/rfc2606#section-2
        member.email = f"{member.username}@left.invalid"
        member.set_unusable_password()
        member.role, member.group, member.is_active = User.Role.MEMBER, None, False
        member.is_staff = member.is_superuser = False
        member.last_login, member.left_at = None, timezone.now()
        member.took_everything = take_everything
        member.save()
        _delete_personal(member)
        forget(member)
        record(actor=None, action="member.left", subject=member)
        forget(member)
        live.nudge("contributions")


def _delete_personal(member: User) -> None:
    """Addresses, second factors, tokens, notices and sessions."""
    for relation in User._meta.related_objects:
        model = relation.related_model
        if model._meta.app_label in PERSONAL and relation.on_delete is models.CASCADE:
            model._default_manager.filter(**{relation.field.name: member}).delete()
    for session in Session.objects.filter(expire_date__gt=timezone.now()).iterator():
        if session.get_decoded().get(SESSION_KEY) == str(member.pk):
            session.delete()


def member_declare_group(*, member: User, group: MemberGroup | None) -> None:
    """Say to which group one belongs, or to none. Personal: the ledger does not hear of it."""
    User.objects.filter(pk=member.pk).update(group=group)
