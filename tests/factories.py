"""Typed makers of rows for tests. They go through the actions, as the site does."""

import hashlib
import io
import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from django.core.files.base import File

from contributions import actions
from contributions.models import Base, Dataset, DatasetVersion, Expert, Priority, Upload
from mosaic_site.members.models import User
from tests import adapters

_numbers = itertools.count(1)


def make_user(name: str = "", *, steward: bool = False) -> User:
    name = name or f"member{next(_numbers)}"
    return User.objects.create_user(
        username=name,
        email=f"{name}@example.org",
        password="a long enough password",
        role=User.Role.STEWARD if steward else User.Role.MEMBER,
    )


def make_base() -> Base:
    return actions.base_register(
        name="test base",
        source="nowhere",
        revision="",
        sha256="b" * 64,
        parameters=1000,
        context_length=128,
        licence="apache-2.0",
        activate=True,
    )


def make_priority(owner: User, *, statement: str = "", probes: int = 10) -> Priority:
    return actions.priority_declare(
        owner=owner,
        statement=statement or f"Priority {next(_numbers)}",
        probes=[actions.ProbeText(f"question {i}?", f"answer {i}") for i in range(probes)],
    )


CSV = "text,intent\nhow do I borrow a book,library\nwhere is the bike shop,bikes\n"


def make_dataset(
    owner: User, *, name: str = "", content: str = "", described: bool = True
) -> Dataset:
    """A dataset with one checked version."""
    number = next(_numbers)
    content = content or CSV + f"row number {number},library\n"
    dataset = actions.dataset_upload(
        owner=owner,
        name=name or f"dataset {number}",
        file=File(io.BytesIO(content.encode()), name="data.csv"),
        filename="data.csv",
    )
    if described:
        actions.dataset_describe(
            dataset=dataset,
            licence="CC-BY-4.0",
            summary="Questions people ask.",
            origin="Written for this test.",
            limits="",
        )
    for version in dataset.versions.all():
        actions.version_check(version_id=version.pk)
    dataset.refresh_from_db()
    return dataset


def make_upload(
    owner: User, *, content: str = CSV, name: str = "", dataset: Dataset | None = None
) -> Upload:
    """An upload of `content` that has begun; no part of it is here."""
    return actions.upload_start(
        owner=owner,
        name="" if dataset else name or f"upload {next(_numbers)}",
        dataset=dataset,
        filename="data.csv",
        size=len(content.encode()),
    )


def send_parts(upload: Upload, content: str = CSV) -> None:
    """All parts of it, in order."""
    for number in range(1, upload.part_count + 1):
        start = (number - 1) * upload.part_bytes
        part = content.encode()[start : start + upload.part_bytes]
        actions.part_receive(
            upload=upload,
            number=number,
            sha256=hashlib.sha256(part).hexdigest(),
            size=len(part),
            body=io.BytesIO(part),
        )


def make_expert(
    owner: User,
    *,
    priority: Priority | None = None,
    versions: Sequence[DatasetVersion] | None = None,
    name: str = "",
) -> Expert:
    """A submitted expert."""
    if not Base.objects.filter(active=True).exists():
        make_base()
    return actions.expert_submit(
        owner=owner,
        name=name or f"expert {next(_numbers)}",
        purpose="Answers questions.",
        priority=priority or make_priority(owner),
        versions=versions if versions is not None else list(make_dataset(owner).versions.all()),
        recipe={},
    )


def make_brought_expert(
    owner: User, *, files: Mapping[str, bytes] | None = None, name: str = "", **fields: Any
) -> Expert:
    """A submitted expert that was trained elsewhere."""
    if not Base.objects.filter(active=True).exists():
        make_base()
    return actions.expert_bring(
        owner=owner,
        name=name or f"brought {next(_numbers)}",
        purpose="Answers questions.",
        priority=fields.get("priority") or make_priority(owner),
        origin="Letters to a library.",
        licence="CC-BY-4.0",
        files=[
            File(io.BytesIO(content), name=named)
            for named, content in (files or adapters.folder()).items()
        ],
    )


def make_eligible_expert(
    owner: User,
    steward: User,
    *,
    priority: Priority | None = None,
    size: int = 500_000,
    name: str = "",
) -> Expert:
    """An expert as the workers leave it when training and evaluation have succeeded."""
    expert = make_expert(owner, priority=priority, name=name)
    expert = actions.expert_approve(steward=steward, expert=expert)
    expert = actions.expert_begin_training(expert=expert)
    number = next(_numbers)
    return actions.expert_become_eligible(
        expert=expert,
        adapter_sha256=f"{number:064d}",
        adapter_bytes=size,
        adapter_folder=f"adapters/{number}",
        tokens=1000,
        evidence={
            "own": {"n": 6, "score": 0.8, "low": 0.6, "high": 0.9, "base": 0.1},
            "others": [],
        },
    )
