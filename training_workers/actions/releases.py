"""A release's way: composed, live, retired, live again."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import transaction
from django.db.models import Max
from django.utils import timezone

from contributions.models import Expert
from governance.models import Candidate, Decision
from mosaic_site import live
from mosaic_site.errors import Refused
from mosaic_site.lateness import late
from mosaic_site.ledger.chain import record
from mosaic_site.members.models import User
from training_workers.models import Job, Release, ReleaseExpert
from training_workers.models.release import RELEASE_LIFECYCLE


def release_compose(*, decision: Decision) -> Release:
    """Queue the composition of a ratified decision's winners. A second call finds the first's.

    An expert that has left since the vote is not among them. Raises IntegrityError where another
    call is a moment quicker.
    """
    with transaction.atomic():
        existing = Release.objects.filter(decision=decision, rebuilds=None).first()
        if existing is not None:
            return existing
        candidates = Candidate.objects.select_related("expert__base").in_bulk(decision.winner_ids)
        winners = [candidates[pk] for pk in decision.winner_ids]
        standing = [w for w in winners if w.expert.status == Expert.Status.ELIGIBLE]
        settled_at = decision.round.settled_at
        return _queue(
            Release(decision=decision, base=winners[0].expert.base),
            [(w.expert, w.adapter_sha256) for w in standing],
            late(settled_at) if settled_at else "",
        )


def _queue(release: Release, experts: Sequence[tuple[Expert, str]], reason: str = "") -> Release:
    """Give a new release its number, its experts by hash and its job. The caller holds the
    transaction."""
    newest = Release.objects.aggregate(newest=Max("number"))["newest"] or 0
    release.number = newest + 1
    release.save()
    ReleaseExpert.objects.bulk_create(
        ReleaseExpert(release=release, expert=expert, adapter_sha256=sha256)
        for expert, sha256 in experts
    )
    Job.objects.create(kind=Job.Kind.COMPOSE, release=release)
    record(
        actor=None,
        action="release.composing",
        subject=release,
        reason=reason,
        data={"experts": [[expert.name, sha256] for expert, sha256 in experts]},
    )
    live.announce("releases")
    return release


def release_rebuild(*, release: Release) -> Release | None:
    """Say that experts left the live release, and queue its decision anew without them.

    None where there is nothing to queue: nobody left, what is being composed takes its place
    anyway, the same was tried before, or nobody is left in it and the base answers alone.
    """
    with transaction.atomic():
        release = _locked(release)
        members = release.members.select_related("expert")
        left = members.left()
        if release.status != Release.Status.LIVE or not left:
            return None
        reason = " ".join(_why(member.expert) for member in left)
        if release.status_reason != reason:
            release.status_reason = reason
            release.save(update_fields=["status_reason"])
            action = "release.taken_down" if release.is_merge else "release.reduced"
            record(actor=None, action=action, subject=release, reason=reason)
            live.announce("releases")
        standing = [(one.expert, one.adapter_sha256) for one in members if one not in left]
        if not standing or _is_on_its_way(release, {expert.pk for expert, _ in standing}):
            return None
        rebuilt = Release(decision=release.decision, base=release.base, rebuilds=release)
        return _queue(rebuilt, standing, reason)


def _why(expert: Expert) -> str:
    return (
        f"“{expert}” left: {expert.status_reason}" if expert.status_reason else f"“{expert}” left."
    )


def _is_on_its_way(release: Release, experts: set[int]) -> bool:
    """Whether something later is being composed, or these experts were tried in its place before:
    what failed then is a steward's to retry."""
    later = Release.objects.filter(number__gt=release.number)
    return later.filter(status=Release.Status.COMPOSING).exists() or any(
        {member.expert_id for member in one.members.all()} == experts
        for one in later.filter(rebuilds=release).prefetch_related("members")
    )


def release_compose_the_rest(*, release: Release) -> None:
    """An expert left while a release was being composed, which failed: go on without it."""
    with transaction.atomic():
        release = _locked(release)
        left = release.members.left()
        names = list(left.values_list("expert__name", flat=True))
        if release.status != Release.Status.FAILED or not names:
            return
        left.delete()
        if not release.members.exists():
            return
        release.status, release.status_reason = Release.Status.COMPOSING, ""
        release.save(update_fields=["status", "status_reason"])
        Job.objects.create(kind=Job.Kind.COMPOSE, release=release)
        record(
            actor=None,
            action="release.composing",
            subject=release,
            reason=f"Without what left meanwhile: {', '.join(names)}.",
        )
        live.announce("releases")


def _locked(release: Release) -> Release:
    """This release anew. All are locked, so that two switches wait for each other."""
    list(Release.objects.select_for_update().order_by("pk").values_list("pk", flat=True))
    return Release.objects.get(pk=release.pk)


def _switch(release: Release) -> None:
    """Make one release live and retire the one before it. The caller holds the transaction."""
    for other in Release.objects.live().exclude(pk=release.pk):
        other.status = Release.Status.RETIRED
        other.save(update_fields=["status"])
        record(actor=None, action="release.retired", subject=other)
    release.status, release.live_at = Release.Status.LIVE, timezone.now()
    release.save()
    live.announce("releases")


def release_go_live(
    *,
    release: Release,
    strategy: str,
    strategy_folder: str,
    report: Mapping[str, Any],
    credits: Mapping[int, float],
) -> Release:
    """Keep what the workers composed, and switch to it. `credits`: expert's key -> share.

    Members without a share left before the composing began, and are no members. Raises Refused
    where one has left since: what was measured is not what would be served.
    """
    with transaction.atomic():
        release = _locked(release)
        RELEASE_LIFECYCLE.require(release.status, Release.Status.LIVE)
        release.members.exclude(expert__in=list(credits)).delete()
        left = release.members.exclude(expert__status=Expert.Status.ELIGIBLE).first()
        if left is not None:
            raise Refused(f"The expert {left.expert} left meanwhile. Compose it again without it.")
        release.strategy, release.strategy_folder = strategy, strategy_folder
        release.report = dict(report)
        for member in release.members.all():
            member.credit = credits.get(member.expert_id, 0.0)
            member.save(update_fields=["credit"])
        _switch(release)
        record(actor=None, action="release.live", subject=release, data={"strategy": strategy})
    return release


def release_roll_back(*, steward: User, release: Release, reason: str) -> Release:
    """Make an earlier release live again."""
    if not reason.strip():
        raise Refused("Give a public reason for rolling back.")
    with transaction.atomic():
        release = _locked(release)
        if release.status != Release.Status.RETIRED:
            raise Refused(f"Release {release.number} is {release.status}; only a retired one can.")
        _switch(release)
        record(actor=steward, action="release.rolled_back", subject=release, reason=reason)
    return release


def release_fail(*, release: Release, reason: str) -> Release:
    with transaction.atomic():
        release = Release.objects.select_for_update().get(pk=release.pk)
        RELEASE_LIFECYCLE.require(release.status, Release.Status.FAILED)
        release.status, release.status_reason = Release.Status.FAILED, reason
        release.save(update_fields=["status", "status_reason"])
        record(actor=None, action="release.failed", subject=release, reason=reason)
        live.announce("releases")
    return release


def release_retry(*, steward: User, release: Release) -> Release:
    """Compose a failed release again."""
    with transaction.atomic():
        release = Release.objects.select_for_update().get(pk=release.pk)
        RELEASE_LIFECYCLE.require(release.status, Release.Status.COMPOSING)
        if Release.objects.filter(number__gt=release.number, live_at__isnull=False).exists():
            raise Refused(
                "A later release has been live since, and this one would take its place. "
                "Open a round instead: its winners are composed anew."
            )
        release.status, release.status_reason = Release.Status.COMPOSING, ""
        release.save(update_fields=["status", "status_reason"])
        Job.objects.create(kind=Job.Kind.COMPOSE, release=release)
        record(actor=steward, action="release.composing", subject=release)
        live.announce("releases")
        live.nudge("training_workers")
    return release
