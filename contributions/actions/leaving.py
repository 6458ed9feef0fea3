"""The right to leave: withdrawing data with what was taught by it, and erasing the files."""

from __future__ import annotations

from contextlib import suppress

from django.db import models, transaction
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from contributions.actions.experts import expert_withdraw
from contributions.models import Dataset, DatasetVersion, Expert
from contributions.models.dataset import DATASET_VERSION_LIFECYCLE
from mosaic_site import live
from mosaic_site.errors import Refused
from mosaic_site.ledger.chain import record
from mosaic_site.members.models import User
from mosaic_site.notices.actions import listed, notify

OWNER_LEFT = "Its owner left the community."


def dataset_withdraw(
    *,
    actor: User | None,
    dataset: Dataset,
    reason: str,
    version: DatasetVersion | None = None,
) -> list[Expert]:
    """Withdraw a dataset, or one version of it, with every expert that learnt from it. Final.

    Others' experts go too, and their owners are told why. Returns the experts. Raises Refused
    without a reason, and where nothing is left to withdraw.
    """
    if not reason.strip():
        raise Refused("Give a public reason, so that those whose experts learnt from it know why.")
    with transaction.atomic():
        standing = dataset.versions.standing().select_for_update()
        gone = list(standing.filter(pk=version.pk) if version else standing)
        if not gone:
            raise Refused("This data is withdrawn already, so there is nothing left to do.")
        for one in gone:
            _version_withdraw(one, actor, reason)
        if not dataset.versions.standing().exists():
            Dataset.objects.filter(pk=dataset.pk).update(is_public=False)
        # Those that had left the mix before: what they were taught is to be erased all the same.
        Expert.objects.filter(versions__in=gone, withdrawn_at=None).exclude(
            pk__in=Expert.objects.standing()
        ).update(withdrawn_at=timezone.now())
        taught = list(Expert.objects.taught_by(gone))
        for expert in taught:
            expert_withdraw(
                actor=actor,
                expert=expert,
                reason=f"Data that it learnt from was withdrawn: {reason}",
            )
        _tell_the_others(dataset, gone, taught, reason)
    return taught


def _version_withdraw(version: DatasetVersion, actor: User | None, reason: str) -> None:
    DATASET_VERSION_LIFECYCLE.require(version.status, DatasetVersion.Status.WITHDRAWN)
    version.status = DatasetVersion.Status.WITHDRAWN
    version.withdrawn_at, version.withdrawn_reason = timezone.now(), reason
    # It quotes rows.
    version.report_data = {}
    version.save()
    record(
        actor=actor,
        action="dataset.withdrawn",
        subject=version,
        reason=reason,
        data={"sha256": version.sha256},
    )
    live.announce(f"version.{version.pk}")


def _tell_the_others(
    dataset: Dataset, gone: list[DatasetVersion], taught: list[Expert], reason: str
) -> None:
    """One notice to each owner of an expert that went because of somebody else's data."""
    owners: dict[int, list[Expert]] = {}
    for expert in taught:
        if expert.owner_id != dataset.owner_id:
            owners.setdefault(expert.owner_id, []).append(expert)
    for owner, experts in owners.items():
        names = listed([expert.name for expert in experts])
        notify(
            members=[owner],
            kind="expert.taken_along",
            text=f"{names} left with the data “{dataset}”, which was withdrawn: {reason}",
            url=experts[0].get_absolute_url(),
            key=f"dataset.withdrawn:{gone[0].pk}",
        )


def version_erase(*, version: DatasetVersion) -> None:
    """Delete every file of a withdrawn version. Its hash, its counts and the ledger stay."""
    with transaction.atomic():
        version = DatasetVersion.objects.select_for_update().get(pk=version.pk)
        if version.erased_at or version.status != DatasetVersion.Status.WITHDRAWN:
            return
        _delete_files(version)
        version.erased_at = timezone.now()
        version.save()
        record(
            actor=None,
            action="dataset.erased",
            subject=version,
            data={"sha256": version.sha256},
        )


def _delete_files(row: DatasetVersion | Expert) -> None:
    """Before the row says so: what is broken off here is done again. The caller saves the row."""
    for field in row._meta.fields:
        file = getattr(row, field.name)
        if isinstance(field, models.FileField) and file:
            file.storage.delete(file.name)
            file.name = ""


def expert_erased(*, expert: Expert) -> None:
    """Note that the workers deleted a withdrawn expert's adapter. Its hash and scores stay."""
    with transaction.atomic():
        expert = Expert.objects.select_for_update().get(pk=expert.pk)
        if expert.erased_at:
            return
        _delete_files(expert)
        expert.erased_at, expert.adapter_folder = timezone.now(), ""
        expert.save()
        record(
            actor=None,
            action="expert.erased",
            subject=expert,
            data={"adapter": expert.adapter_sha256},
        )


def reconcile_leaving() -> None:
    """Withdraw what members who left took along, and erase what has lain long enough."""
    for dataset in _left_behind():
        versions = list(dataset.versions.standing())
        was_private = not dataset.is_public
        with suppress(Refused):  # another worker was quicker
            dataset_withdraw(actor=None, dataset=dataset, reason=OWNER_LEFT)
        if was_private:
            # Nobody else ever saw it, so there is nothing to appeal.
            for version in versions:
                version_erase(version=version)
            dataset.versions.update(filename="")
            Dataset.objects.filter(pk=dataset.pk).update(
                name=f"dataset {dataset.pk}", summary="", origin="", limits=""
            )
    for expert in Expert.objects.standing().filter(owner__took_everything=True):
        with suppress(Refused):
            expert_withdraw(actor=None, expert=expert, reason=OWNER_LEFT)
    # Submitted in the very moment in which its data was withdrawn.
    late = Expert.objects.standing().filter(versions__status=DatasetVersion.Status.WITHDRAWN)
    for expert in late.distinct():
        with suppress(Refused):
            expert_withdraw(
                actor=None, expert=expert, reason="Data that it was to learn from was withdrawn."
            )
    for version in DatasetVersion.objects.due_for_erasure():
        version_erase(version=version)


def _left_behind() -> list[Dataset]:
    """Datasets that go with their owner: all that they took along, and else the private ones that
    no expert learnt from: one that stays in the mix may have to be measured again."""
    standing = DatasetVersion.objects.standing().filter(dataset=OuterRef("pk"))
    used = Expert.objects.standing().filter(versions__dataset=OuterRef("pk"))
    went = Q(owner__took_everything=True) | (Q(is_public=False) & ~Exists(used))
    return list(Dataset.objects.filter(Exists(standing), went, owner__left_at__isnull=False))
