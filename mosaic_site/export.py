"""Everything that a member brought and wrote, as one zip. Of the roof: it asks every floor.

It is written while it is sent, so its size costs no memory. Sealed probes are not in it, and no
ballot: nobody may read those, and nobody knows whose the others are.
"""

import json
from collections.abc import Iterator
from typing import Any

from allauth.account.models import EmailAddress
from django.contrib.auth.decorators import login_required
from django.core.files.storage import default_storage
from django.core.serializers.json import DjangoJSONEncoder
from django.db.models import Model, QuerySet
from django.db.models.fields.files import FieldFile
from django.http import HttpRequest
from django.utils.text import get_valid_filename
from django.views.decorators.http import require_safe

from contributions.models import Dataset, DatasetVersion, Expert, Priority
from governance.models import (
    Comment,
    Elector,
    Endorsement,
    PriorityVote,
    ProposalVersion,
    Report,
    Slate,
)
from mosaic_site.files import listed
from mosaic_site.ledger.models import Entry
from mosaic_site.members.access import member
from mosaic_site.members.models import User
from mosaic_site.notices.models import Notice
from mosaic_site.zipping import BLOCK, Part, ZipResponse

README = """\
Everything that you brought to this site and wrote on it, as of now.

profile.json         what the site knows of you
datasets/            each with its card, its versions, their files and checked rows
priorities/          each with its open probes
experts/             each with its card and its adapter, which transformers and peft load
*.jsonl              one JSON object a line: proposals, comments, recommended ballots, endorsements,
                     votes on priorities, reports, notices, rounds you could vote in, ledger entries

Not in it: sealed probes, because nobody may read them, not even who wrote them, as long as models
are measured on them; ballots, because the site does not know which are yours (your receipts are in
your browser and your mail); files that were withdrawn and erased.
"""


@require_safe
@login_required
def my_export(request: HttpRequest) -> ZipResponse:
    return ZipResponse(parts_of(member(request)), "mosaic-export.zip")


def parts_of(person: User) -> Iterator[Part]:
    yield "README.txt", [README.encode()]
    yield "profile.json", [_json(_profile(person))]
    for dataset in Dataset.objects.filter(owner=person).order_by("pk"):
        yield from _dataset(dataset)
    for priority in Priority.objects.filter(owner=person).order_by("pk"):
        yield f"priorities/{priority.pk}.json", [_json(_priority(priority))]
    for expert in Expert.objects.filter(owner=person).order_by("pk"):
        yield from _expert(expert)
    for name, rows in _tables(person).items():
        yield f"{name}.jsonl", (_json(_row(row)) for row in rows.iterator(chunk_size=500))


def _profile(person: User) -> dict[str, Any]:
    return {
        "username": person.username,
        "name": person.get_full_name(),
        "email": person.email,
        "addresses": list(
            EmailAddress.objects.filter(user=person).values("email", "verified", "primary")
        ),
        "role": person.role,
        "group": person.group.name if person.group else None,
        "joined": person.date_joined,
        "last_login": person.last_login,
    }


def _dataset(dataset: Dataset) -> Iterator[Part]:
    folder = f"datasets/{dataset.pk}"
    yield f"{folder}/card.json", [_json(_row(dataset))]
    for version in dataset.versions.order_by("number"):
        here = f"{folder}/version-{version.number}"
        yield f"{here}/version.json", [_json(_row(version))]
        yield from _file(f"{here}/upload/{_safe(version)}", version.file)
        yield from _file(f"{here}/rows.jsonl", version.rows_file)


def _safe(version: DatasetVersion) -> str:
    return get_valid_filename(f"file-{version.filename}")


def _priority(priority: Priority) -> dict[str, Any]:
    open_probes = priority.probes.open().order_by("position")
    return {
        **_row(priority),
        "open_probes": list(open_probes.values("position", "prompt", "answer", "part")),
    }


def _expert(expert: Expert) -> Iterator[Part]:
    folder = f"experts/{expert.pk}"
    learnt = [version.sha256 for version in expert.versions.all()]
    yield f"{folder}/card.json", [_json({**_row(expert), "learnt_from": learnt})]
    if expert.adapter_folder:
        _, files = listed(expert.adapter_folder)
        for name in files:
            yield from _stored(f"{folder}/adapter/{name}", f"{expert.adapter_folder}/{name}")


def _tables(person: User) -> dict[str, QuerySet[Any]]:
    return {
        "proposals": ProposalVersion.objects.filter(proposal__author=person).order_by("pk"),
        "comments": Comment.objects.filter(author=person),
        "reports": Report.objects.filter(member=person),
        "recommended_ballots": Slate.objects.filter(author=person),
        "endorsements": Endorsement.objects.filter(member=person),
        "priority_votes": PriorityVote.objects.filter(member=person),
        "rounds": Elector.objects.filter(member=person),
        "notices": Notice.objects.filter(member=person),
        "ledger": Entry.objects.filter(actor=person).order_by("sequence"),
    }


def _row(row: Model) -> dict[str, Any]:
    """A row's own columns; of files their names, no keys that make a form once, no salts."""
    hidden = {"once", "salt", "actor_salt", "subject_salt"}
    return {
        field.attname: str(value) if isinstance(value, FieldFile) else value
        for field in row._meta.concrete_fields
        if field.name not in hidden
        for value in [getattr(row, field.attname)]
    }


def _json(content: Any) -> bytes:
    return json.dumps(content, cls=DjangoJSONEncoder, ensure_ascii=False).encode() + b"\n"


def _file(name: str, file: FieldFile) -> Iterator[Part]:
    if file.name:
        yield from _stored(name, file.name)


def _stored(name: str, stored_name: str) -> Iterator[Part]:
    if default_storage.exists(stored_name):
        with default_storage.open(stored_name) as stored:
            yield name, stored.chunks(BLOCK)
