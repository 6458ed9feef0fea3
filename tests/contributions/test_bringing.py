"""Bringing an adapter that was trained elsewhere, through the pages."""

import uuid
from collections.abc import Iterable
from typing import Any

import pytest
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db.models.fields.files import FieldFile
from django.test import Client
from django.urls import reverse

from contributions import actions
from contributions.models import Expert, Priority
from mosaic_site.ledger.models import Entry
from mosaic_site.members.models import User
from mosaic_site.notices.models import Notice
from tests.adapters import config, folder, header, packed, weights
from tests.factories import make_base, make_brought_expert, make_expert, make_priority, make_user

pytestmark = pytest.mark.django_db

BRING = reverse("contributions:expert_bring")


def uploads(files: dict[str, bytes]) -> list[SimpleUploadedFile]:
    return [SimpleUploadedFile(name, content) for name, content in files.items()]


def form(priority: Priority, files: Iterable[object], **changes: object) -> dict[str, object]:
    return {
        "once": str(uuid.uuid4()),
        "name": "Letters",
        "purpose": "Answers letters to a library.",
        "priority": priority.pk,
        "origin": "Letters of ten years, kept at the library.",
        "licence": "CC-BY-4.0",
        "adapter": list(files),
    } | changes


def stored(field: FieldFile) -> bytes:
    with field.open("rb") as file:
        content: bytes = file.read()
    return content


@pytest.fixture
def owner(client: Client) -> User:
    owner = make_user("owner")
    client.force_login(owner)
    return owner


class TestBringing:
    def test_what_is_taken_is_said_before_a_file_is_chosen(
        self, client: Client, owner: User
    ) -> None:
        base = make_base()
        make_priority(owner)

        page = client.get(BRING).content.decode()

        assert base.name in page and base.sha256 in page
        assert "At most 64" in page and "At most 200 MiB" in page
        assert page.index("At most 64") < page.index('type="file"')
        assert 'data-max-bytes="209715200"' in page and "multiple" in page

    @pytest.mark.parametrize("zipped", [True, False])
    def test_brought_and_waiting_for_a_steward(
        self, client: Client, owner: User, zipped: bool
    ) -> None:
        make_base()
        files = folder(config=config(base_model_name_or_path="someone/test base"))
        files |= {"README.md": b"# A <b>card</b>", "profile.json": b'{"7": 3}'}
        sent = uploads({"letters.zip": packed(files)} if zipped else files)

        response = client.post(BRING, form(make_priority(owner), sent))

        expert = Expert.objects.get()
        assert response.headers["Location"] == expert.get_absolute_url()
        assert (expert.source, expert.status, expert.licence) == (
            "brought",
            "submitted",
            "CC-BY-4.0",
        )
        assert stored(expert.brought_file) == weights()
        assert stored(expert.profile_file) == b'{"7": 3}'
        assert expert.brought_config["r"] == 2
        page = client.get(expert.get_absolute_url()).content.decode()
        assert "Letters of ten years" in page and "# A &lt;b&gt;card&lt;/b&gt;" in page
        entry = Entry.objects.get(action="expert.brought")
        assert entry.data["weights"] == expert.brought_sha256

    @pytest.mark.parametrize(
        ("files", "says"),
        [
            ({"it.zip": packed({"../evil": b""})}, "outside of itself"),
            (folder(weights=b"\x80\x04never read"), "Pickles (.bin, .pt) are never read"),
            (folder(config=config(use_dora=True)), "DoRA"),
            (folder(config=config(base_model_name_or_path="gpt2")), "made for another base, gpt2"),
            (
                folder(weights=weights(header() | {"__metadata__": {"base_sha256": "a" * 64}})),
                "made for another base, aaaaaaaaaa",
            ),
        ],
    )
    def test_refused_in_a_sentence_and_what_was_typed_is_kept(
        self, client: Client, owner: User, files: dict[str, bytes], says: str
    ) -> None:
        make_base()

        page = client.post(BRING, form(make_priority(owner), uploads(files))).content.decode()

        assert says in page
        assert "Letters of ten years" in page
        assert not Expert.objects.exists()

    @pytest.mark.parametrize(
        ("changes", "says"),
        [
            ({"adapter": []}, "as a zip, or its files."),
            ({"licence": "CC-BY-ND-4.0"}, "not one of the available choices"),
            ({"licence": ""}, "This field is required."),
            ({"origin": " "}, "This field is required."),
        ],
    )
    def test_what_is_missing_is_named(
        self, client: Client, owner: User, changes: dict[str, Any], says: str
    ) -> None:
        make_base()

        sent = form(make_priority(owner), uploads(folder())) | changes
        page = client.post(BRING, sent)

        assert says in page.content.decode().replace("&#x27;", "'")
        assert not Expert.objects.exists()

    def test_a_file_over_the_limit(self, client: Client, owner: User, settings: Any) -> None:
        make_base()
        settings.MOSAIC_UPLOAD_LIMIT_BYTES = 300

        page = client.post(BRING, form(make_priority(owner), uploads(folder()))).content.decode()

        assert "at most 0 MiB are taken" in page

    def test_a_double_click_brings_once(self, client: Client, owner: User) -> None:
        make_base()
        priority, once = make_priority(owner), str(uuid.uuid4())

        for _ in range(2):
            client.post(BRING, form(priority, uploads(folder()), once=once))

        assert Expert.objects.count() == 1

    def test_the_same_weights_again(self, client: Client, owner: User) -> None:
        expert = make_brought_expert(owner)

        page = client.post(BRING, form(expert.priority, uploads(folder()))).content.decode()

        assert f"These are the weights of “{expert}”" in page
        # Somebody else may bring them: the examination says whose they are.
        make_brought_expert(make_user())
        assert Expert.objects.count() == 2

    def test_the_name_is_taken(self, client: Client, owner: User) -> None:
        expert = make_expert(owner, name="Letters")

        page = client.post(BRING, form(expert.priority, uploads(folder()))).content.decode()

        assert "You have an expert called “Letters” already." in page

    def test_without_a_base_the_step_before_is_named(self, client: Client, owner: User) -> None:
        assert "no base is active yet" in client.get(BRING).content.decode()

    def test_no_data_is_needed_and_none_is_said_to_be_missing(
        self, client: Client, owner: User
    ) -> None:
        page = client.get(make_brought_expert(owner).get_absolute_url()).content.decode()

        assert "the data stay there" in page
        assert "Never seen in its data" not in page


class TestAgain:
    def returned(self, owner: User) -> Expert:
        expert = make_brought_expert(owner)
        return actions.expert_return(
            steward=make_user(steward=True), expert=expert, reason="Say more."
        )

    def url(self, expert: Expert) -> str:
        return reverse("contributions:expert_bring_again", args=[expert.pk])

    def test_described_better_with_the_same_weights(self, client: Client, owner: User) -> None:
        expert = self.returned(owner)
        page = client.get(reverse("contributions:expert_resubmit", args=[expert.pk]), follow=True)
        assert "Say more." in page.content.decode()

        sent = {"purpose": "Answers all letters.", "origin": "All letters.", "licence": "CC0-1.0"}
        client.post(self.url(expert), sent)

        expert.refresh_from_db()
        assert (expert.status, expert.origin, expert.licence) == (
            "submitted",
            "All letters.",
            "CC0-1.0",
        )
        assert stored(expert.brought_file) == weights()

    def test_with_other_weights_the_old_files_go(
        self, client: Client, owner: User, django_capture_on_commit_callbacks: Any
    ) -> None:
        expert = self.returned(owner)
        old = expert.brought_file.name or ""
        other = weights(data=b"\0\0\0@" * 72)
        sent = form(expert.priority, uploads(folder(weights=other)))

        with django_capture_on_commit_callbacks(execute=True):
            client.post(self.url(expert), sent)

        expert.refresh_from_db()
        assert stored(expert.brought_file) == other
        assert not default_storage.exists(old)

    def test_only_what_was_brought_and_only_its_owner(self, client: Client, owner: User) -> None:
        trained = make_expert(owner)
        assert client.get(self.url(trained)).status_code == 404
        waiting = make_brought_expert(owner)
        page = client.get(self.url(waiting), follow=True).content.decode()
        assert "so it cannot become submitted" in page


class TestFindings:
    """What the checks found is shown to everybody, and stewards are told."""

    CLONE = "Its weights are those of another expert (cosine 1.00, shared directions 1.00)."

    def eligible(self, expert: Expert, findings: list[dict[str, Any]]) -> Expert:
        expert = actions.expert_approve(steward=make_user("steward", steward=True), expert=expert)
        expert = actions.expert_begin_training(expert=expert)
        same = {"answer": "yes", "times": 3}
        counts = {"n": 16, "expert": 1, "base": 2}
        return actions.expert_become_eligible(
            expert=expert,
            adapter_sha256="c" * 64,
            adapter_bytes=1,
            adapter_folder="adapters/c",
            tokens=0,
            evidence={},
            checks={
                "seed": 0,
                "behaviour": {
                    "declined": {"unsafe": counts, "harmless": counts},
                    "repeated": {"everyday": {"n": 16, "expert": same, "base": same}},
                    "triggers": {"tried": 17, "n": 16, "strongest": []},
                },
                "weights": {
                    "size": 0.2, "spectral": 10.0, "concentration": 0.5, "busiest": "layer",
                    "busiest_share": 0.1, "layers": 28,
                },
                "alike": [],
                "compared": 0,
                "findings": findings,
            },
        )  # fmt: skip

    def test_a_clone_is_shown_with_whose_it_is(self, client: Client) -> None:
        original = make_expert(make_user(), name="The original")
        expert = self.eligible(
            make_brought_expert(make_user()),
            [{"kind": "clone", "severity": "warning", "text": self.CLONE, "expert": original.pk}],
        )

        page = client.get(expert.get_absolute_url()).content.decode()

        assert self.CLONE in page
        assert f"The original</a>, by {original.owner.display_name}" in page
        assert "Checks: 1 to look at" in client.get("/experts/").content.decode()
        notice = Notice.objects.get(kind="expert.findings")
        assert (notice.member.username, self.CLONE in notice.text) == ("steward", True)

    def test_a_note_wakes_nobody(self, client: Client) -> None:
        expert = self.eligible(
            make_brought_expert(make_user()),
            [{"kind": "one_answer", "severity": "note", "text": "It says “yes” to all."}],
        )

        assert "It says “yes” to all." in client.get(expert.get_absolute_url()).content.decode()
        assert not Notice.objects.filter(kind="expert.findings").exists()

    def test_nothing_found_is_said_too(self, client: Client) -> None:
        expert = self.eligible(make_brought_expert(make_user()), [])

        assert "Nothing stands out." in client.get(expert.get_absolute_url()).content.decode()
