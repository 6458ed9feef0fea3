"""An expert's way from submission to the ballot. Training itself is the workers' part."""

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from contributions.licences import Obligation, effective
from contributions.models import Base, DatasetVersion, Expert, Priority
from contributions.models.expert import EXPERT_LIFECYCLE
from mosaic_site import live
from mosaic_site.errors import Refused
from mosaic_site.ledger.chain import record
from mosaic_site.members.models import User
from mosaic_site.notices.actions import notify


def base_register(
    *,
    name: str,
    source: str,
    revision: str,
    sha256: str,
    parameters: int,
    context_length: int,
    licence: str,
    activate: bool,
    actor: User | None = None,
) -> Base:
    """Add a base, or find the registered one with the same content; make it the active one.

    Where another content is registered under the name, as before an upgrade, part of the hash
    tells the new one apart.
    """
    terms = effective([licence])
    if Obligation.NO_DERIVATIVES in terms.because:
        raise Refused(f"Under {licence} nothing may be made from {name}: no expert can adapt it.")
    with transaction.atomic():
        if Base.objects.filter(name=name).exclude(sha256=sha256).exists():
            name = f"{name[:71]} {sha256[:8]}"
        base, created = Base.objects.update_or_create(
            sha256=sha256,
            defaults={"source": source, "revision": revision},
            create_defaults={
                "name": name,
                "source": source,
                "revision": revision,
                "parameters": parameters,
                "context_length": context_length,
                "licence": licence,
            },
        )
        if created:
            record(
                actor=actor,
                action="base.registered",
                subject=base,
                data={"sha256": sha256, "parameters": parameters, "licence": licence},
            )
        if activate and not base.active:
            Base.objects.filter(active=True).update(active=False)
            base.active = True
            base.save(update_fields=["active"])
            record(actor=actor, action="base.activated", subject=base, data={"sha256": sha256})
    return base


def _require_trainable(owner: User, versions: Sequence[DatasetVersion]) -> None:
    if not versions:
        raise Refused("Choose at least one dataset version: an expert learns from data.")
    for version in versions:
        if version.dataset.owner_id != owner.pk and not version.dataset.is_public:
            raise Refused(f"{version} is not public, so only its owner can train on it.")
        if version.status != DatasetVersion.Status.VALID:
            raise Refused(f"{version} is {version.status}; only a valid version can be learnt.")
        if not version.is_cleared:
            raise Refused(
                f"Personal data was found in {version}. Its owner answers for it on its page, "
                "or makes a masked version, before an expert can learn from it."
            )
        lacks = version.dataset.missing_for_training
        if lacks:
            raise Refused(f"“{version.dataset}” still needs " + ", and ".join(lacks) + ".")


def require_room(owner: User) -> None:
    """Refuse one more expert of somebody of whom many wait already."""
    waiting = Expert.objects.filter(
        owner=owner, status__in=[Expert.Status.SUBMITTED, Expert.Status.APPROVED]
    ).count()
    most: int = settings.MOSAIC_WAITING_EXPERTS
    if waiting >= most:
        raise Refused(
            f"{waiting} of your experts wait for a steward or a worker, and at most {most} may. "
            "Submit this one when some of them are trained, or withdraw one."
        )


def active_base() -> Base:
    """The base that the community's experts adapt now, or Refused."""
    base = Base.objects.filter(active=True).first()
    if base is None:
        raise Refused("No base is active yet. An operator registers one (see the README).")
    return base


def enter(*, owner: User, name: str, once: uuid.UUID, **fields: Any) -> tuple[Expert, bool]:
    """The row of a new submission, and whether it is new. The caller holds the transaction.

    Where two clicks race, the second waits here for the first, and finds its row.
    """
    require_room(owner)
    if Expert.objects.filter(owner=owner, name=name).exists():
        raise Refused(f"You have an expert called “{name}” already. Choose another name.")
    values = {"owner": owner, "name": name, "submitted_at": timezone.now(), **fields}
    return Expert.objects.get_or_create(once=once, defaults=values)


def expert_submit(
    *,
    owner: User,
    name: str,
    purpose: str,
    priority: Priority,
    versions: Sequence[DatasetVersion],
    recipe: Mapping[str, Any],
    once: uuid.UUID | None = None,
) -> Expert:
    """Ask the stewards to have an expert trained. Its base is the community's active one."""
    once = once or uuid.uuid4()
    with transaction.atomic():
        existing = Expert.objects.filter(once=once).first()
        if existing is not None:
            return existing
        _require_trainable(owner, versions)
        expert, created = enter(
            owner=owner,
            name=name,
            once=once,
            purpose=purpose,
            priority=priority,
            base=active_base(),
            recipe=dict(recipe),
        )
        if not created:
            return expert
        expert.versions.set(versions)
        record(
            actor=owner,
            action="expert.submitted",
            subject=expert,
            data={"versions": [version.sha256 for version in versions], "recipe": expert.recipe},
        )
        live.announce("desk")
    return expert


def _move(
    expert: Expert,
    target: str,
    *,
    actor: User | None,
    action: str,
    reason: str = "",
    data: Mapping[str, Any] | None = None,
    **fields: Any,
) -> Expert:
    """One step: lock, check, write the row and its ledger entry, tell the pages."""
    with transaction.atomic():
        expert = Expert.objects.select_for_update().get(pk=expert.pk)
        EXPERT_LIFECYCLE.require(expert.status, target)
        expert.status, expert.status_reason = target, reason
        for field, value in fields.items():
            setattr(expert, field, value)
        expert.save()
        record(actor=actor, action=action, subject=expert, reason=reason, data=data)
        live.announce(f"expert.{expert.pk}")
        live.announce("desk")
    return expert


def submit_again(expert: Expert, *, data: Mapping[str, Any], **fields: Any) -> Expert:
    """Put an expert before the stewards once more, with these fields changed."""
    require_room(expert.owner)
    return _move(
        expert,
        Expert.Status.SUBMITTED,
        actor=expert.owner,
        action="expert.submitted",
        data=data,
        submitted_at=timezone.now(),
        **fields,
    )


def expert_resubmit(
    *, expert: Expert, purpose: str, versions: Sequence[DatasetVersion], recipe: Mapping[str, Any]
) -> Expert:
    """Bring a returned, failed or cancelled expert again, changed."""
    with transaction.atomic():
        _require_trainable(expert.owner, versions)
        expert = submit_again(
            expert,
            data={"versions": [version.sha256 for version in versions], "recipe": dict(recipe)},
            purpose=purpose,
            recipe=dict(recipe),
        )
        expert.versions.set(versions)
    return expert


def expert_approve(*, steward: User, expert: Expert, reason: str = "") -> Expert:
    """Send an expert to training, on the base that is active now: only such are voted on."""
    with transaction.atomic():
        expert = _move(
            expert,
            Expert.Status.APPROVED,
            actor=steward,
            action="expert.admitted" if expert.is_brought else "expert.approved",
            reason=reason,
            base=active_base(),
        )
        fate = "examined" if expert.is_brought else "trained"
        _tell_owner(expert, f"Your expert “{expert}” is approved and will be {fate}.")
        live.nudge("training_workers")
    return expert


def expert_return(*, steward: User, expert: Expert, reason: str) -> Expert:
    """Give an expert back to its owner, with a reason that everybody can read."""
    if not reason.strip():
        raise Refused("Give a public reason, so that its owner knows what to change.")
    with transaction.atomic():
        expert = _move(
            expert, Expert.Status.RETURNED, actor=steward, action="expert.returned", reason=reason
        )
        _tell_owner(expert, f"Your expert “{expert}” was returned: {reason}")
    return expert


def _tell_owner(expert: Expert, text: str) -> None:
    notify(
        members=[expert.owner],
        kind="expert.answered",
        text=text,
        url=expert.get_absolute_url(),
        # One answer to one submission.
        key=f"expert.answered:{expert.pk}:{expert.submitted_at.isoformat()}",
    )


def expert_withdraw(*, actor: User | None, expert: Expert, reason: str) -> Expert:
    """Take an expert out of what can be voted on. A live release that holds it answers without it.

    Final; its adapter is erased later (see `leaving`). Owners may leave without a word; whoever
    takes out somebody else's says why.
    """
    if (actor is None or actor.pk != expert.owner_id) and not reason.strip():
        raise Refused("Give a public reason for withdrawing somebody else's expert.")
    with transaction.atomic():
        expert = _move(
            expert,
            Expert.Status.WITHDRAWN,
            actor=actor,
            action="expert.withdrawn",
            reason=reason,
            withdrawn_at=timezone.now(),
        )
        live.nudge("training_workers")
    return expert


def expert_retire(*, expert: Expert, reason: str) -> Expert:
    """Take out an expert that the members voted out. Its owner did not ask to have it erased."""
    return _move(
        expert, Expert.Status.WITHDRAWN, actor=None, action="expert.withdrawn", reason=reason
    )


# What the workers report, step by step. The site itself is the actor, but for a cancellation.


def expert_begin_training(*, expert: Expert) -> Expert:
    action = "expert.examining" if expert.is_brought else "expert.training"
    return _move(expert, Expert.Status.TRAINING, actor=None, action=action)


def expert_fail(*, expert: Expert, reason: str) -> Expert:
    return _move(expert, Expert.Status.FAILED, actor=None, action="expert.failed", reason=reason)


def expert_cancel(*, actor: User | None, expert: Expert, reason: str) -> Expert:
    return _move(
        expert, Expert.Status.CANCELLED, actor=actor, action="expert.cancelled", reason=reason
    )


def expert_become_eligible(
    *,
    expert: Expert,
    adapter_sha256: str,
    adapter_bytes: int,
    adapter_folder: str,
    tokens: int,
    evidence: Mapping[str, Any],
    checks: Mapping[str, Any] | None = None,
) -> Expert:
    """The adapter is there, evaluated and checked: it stands on the next round's ballot.

    Stewards are told where the checks ask for a look.
    """
    checks = dict(checks or {})
    findings = checks.get("findings", [])
    with transaction.atomic():
        expert = _move(
            expert,
            Expert.Status.ELIGIBLE,
            actor=None,
            action="expert.examined" if expert.is_brought else "expert.eligible",
            data={
                "adapter": adapter_sha256,
                "bytes": adapter_bytes,
                "tokens": tokens,
                "findings": [finding["kind"] for finding in findings],
            },
            adapter_sha256=adapter_sha256,
            adapter_bytes=adapter_bytes,
            adapter_folder=adapter_folder,
            tokens=tokens,
            evidence=dict(evidence),
            checks=checks,
            trained_at=timezone.now(),
        )
        if expert.warnings:
            notify(
                members=User.objects.filter(role=User.Role.STEWARD, is_active=True),
                kind="expert.findings",
                text=f"The checks of “{expert}” found something to look at: "
                + next(one["text"] for one in findings if one["severity"] == "warning"),
                url=f"{expert.get_absolute_url()}#checks",
                key=f"expert.findings:{expert.pk}:{adapter_sha256}",
            )
    return expert
