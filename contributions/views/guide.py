"""The way from a need to an expert, told on every page of it: need, data, check, card, expert."""

from dataclasses import dataclass

from django.http import HttpRequest
from django.urls import reverse

from contributions.access import versions_trainable_by
from contributions.models import Base, Dataset, DatasetVersion, Priority
from mosaic_site.members.models import User


@dataclass(frozen=True)
class Step:
    """For components/steps.html: `state` is done, current or todo."""

    label: str
    state: str
    detail: str = ""
    url: str = ""


@dataclass(frozen=True)
class NextStep:
    """What to do now, why, and where."""

    text: str
    label: str
    url: str


def carried_priority(request: HttpRequest) -> Priority | None:
    """The priority that somebody came from, carried along as `?priority=`."""
    asked = request.GET.get("priority", "")
    return Priority.objects.open().filter(pk=asked).first() if asked.isdecimal() else None


def carry(url: str, priority: Priority | None, **more: int) -> str:
    """`url` with the priority, and whatever else, in its query."""
    values = more | ({"priority": priority.pk} if priority else {})
    query = "&".join(f"{name}={value}" for name, value in values.items())
    return f"{url}?{query}" if query else url


def steps(priority: Priority | None, version: DatasetVersion | None) -> list[Step]:
    """Where a member stands. Whoever starts without a need chooses it with the expert."""
    done = [
        version is not None,
        version is not None
        and version.status == DatasetVersion.Status.VALID
        and version.is_cleared,
        version is not None and not version.dataset.missing_for_training,
        False,
    ]
    states = ["done" if fine else "todo" for fine in done]
    states[done.index(False)] = "current"
    need = [Step("Need", "done", str(priority), priority.get_absolute_url())] if priority else []
    return [
        *need,
        Step("Data", states[0], str(version) if version else "Upload a file"),
        Step("Check", states[1], "Every row is looked at"),
        Step("Card", states[2], "Licence, content, origin"),
        Step(
            "Expert", states[3], "Submit it for training" if priority else "For a need you choose"
        ),
    ]


def next_step(version: DatasetVersion, owner: bool, priority: Priority | None) -> NextStep | None:
    """What somebody who may look at this version does next with it; None while it is checked."""
    dataset = version.dataset
    if version.is_waiting or version.status == DatasetVersion.Status.WITHDRAWN:
        return None
    if not (owner or version.is_cleared):
        return None
    if version.status == DatasetVersion.Status.UNMAPPED and owner:
        return NextStep(
            "The file can be read, but not which column is what. Say so, and the check goes on.",
            "Say which column is what",
            carry(reverse("contributions:version_mapping", args=[version.pk]), priority),
        )
    if version.status == DatasetVersion.Status.VALID and not version.is_cleared:
        return NextStep(
            "The check found what looks like personal data. Mask it, or answer for it, before "
            "anybody else sees this version and before an expert learns from it.",
            "Decide about it",
            carry(version.get_absolute_url(), priority) + "#personal-data",
        )
    if version.status == DatasetVersion.Status.VALID and not dataset.missing_for_training:
        return NextStep(
            "This data is ready. An expert can learn from it.",
            "Submit an expert with it",
            carry(reverse("contributions:expert_new"), priority, dataset=version.pk),
        )
    if not owner:
        return None
    if version.status == DatasetVersion.Status.INVALID:
        return NextStep(
            "Mend the file and add it as a new version. This one stays as it is.",
            "Add a new version",
            carry(reverse("contributions:dataset_version_new", args=[dataset.pk]), priority),
        )
    return NextStep(
        f"Before an expert can learn from it, it needs {and_list(dataset.missing_for_training)}.",
        "Write the card",
        carry(reverse("contributions:dataset_card", args=[dataset.pk]), priority),
    )


def missing_for_any_expert() -> NextStep | None:
    """What the community lacks before anybody can submit an expert, or None."""
    if not Base.objects.filter(active=True).exists():
        return NextStep(
            "Experts adapt a shared base model, and no base is active yet. "
            "Whoever runs this site registers one; until then, bring priorities and data.",
            "See the priorities",
            reverse("contributions:priority_list"),
        )
    if not Priority.objects.open().exists():
        return NextStep(
            "An expert serves a need, and nobody has declared one yet.",
            "Declare a priority",
            reverse("contributions:priority_new"),
        )
    return None


def missing_for_expert(owner: User) -> NextStep | None:
    """The first thing that a member lacks to have an expert trained, or None."""
    lacking = missing_for_any_expert()
    if lacking is not None:
        return lacking
    if versions_trainable_by(owner).exists():
        return None
    newest = (
        DatasetVersion.objects.standing()
        .filter(dataset__owner=owner)
        .select_related("dataset")
        .order_by("-created_at", "-id")
        .first()
    )
    if newest is None:
        return NextStep(
            "An expert learns from data. Bring some: a table of prompts and answers will do.",
            "Upload a dataset",
            reverse("contributions:dataset_new"),
        )
    step = next_step(newest, owner=True, priority=None)
    if step is None:
        return NextStep(
            f"{newest} is being checked. As soon as it is ready, come back.",
            "Watch the check",
            newest.get_absolute_url(),
        )
    return NextStep(f"{newest}: {step.text}", step.label, step.url)


def missing_of_dataset(dataset: Dataset, versions: list[DatasetVersion]) -> list[str]:
    """What still lies between a dataset and training, as a list to read."""
    missing = list(dataset.missing_for_training)
    valid = [version for version in versions if version.status == DatasetVersion.Status.VALID]
    if not valid:
        missing.insert(0, "a version without errors")
    elif not any(version.is_cleared for version in valid):
        missing.insert(0, "an answer about the personal data that was found")
    return missing


def and_list(things: list[str]) -> str:
    """a, b and c."""
    return " and ".join([", ".join(things[:-1]), things[-1]] if things[1:] else things)
