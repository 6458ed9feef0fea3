"""An expert that was trained at home: the same as a worker's, examined, checked and released."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from django.test import Client
from safetensors.torch import load_file, save_file

from contributions import actions as bring
from contributions.models import Expert, Priority
from mosaic_site.members.models import User
from tests.factories import make_brought_expert, make_dataset, make_user
from tests.training_workers.makers import composing_release, register_pocket
from training_workers import actions
from training_workers.engine.__main__ import main
from training_workers.engine.adapters import CONFIG, WEIGHTS, adapter_sha256
from training_workers.models import Release
from training_workers.runs.work import work

# Committed, or the worker's signs of life would wait for the test's own transaction.
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

RECIPE = {"passes": 4, "rank": 8, "alpha": 16, "seed": 3}
ROWS = [(f"red {number}", "warm" if number % 2 else "hot") for number in range(10, 30)]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that the command line wrote."""
    folder = tmp_path_factory.mktemp("home")
    lines = [json.dumps({"prompt": prompt, "completion": answer}) for prompt, answer in ROWS]
    (folder / "rows.jsonl").write_text("\n".join([*lines, lines[0]]) + "\n")
    command = ["train", "--data", str(folder / "rows.jsonl"), "--base", "pocket"]
    recipe = ["--passes", "4", "--rank", "8", "--seed", "3", "--licence", "CC-BY-4.0"]
    assert main([*command, *recipe, "--out", str(folder / "out")]) == 0
    return folder / "out"


def declare(owner: User) -> Priority:
    return bring.priority_declare(
        owner=owner,
        statement="Know red",
        probes=[bring.ProbeText(f"red {n}", "warm" if n % 2 else "hot") for n in range(6)],
    )


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def submit(owner: User, priority: Priority) -> Expert:
    """The expert that the home folder holds, to be trained by a worker."""
    content = "prompt,completion\n" + "".join(f"{prompt},{answer}\n" for prompt, answer in ROWS)
    return bring.expert_submit(
        owner=owner,
        name="Here",
        purpose="Knows red.",
        priority=priority,
        versions=list(make_dataset(owner, content=content).versions.all()),
        recipe=RECIPE,
    )


def see_through(expert: Expert, steward: User) -> Expert:
    """Let a worker do what the steward approves."""
    bring.expert_approve(steward=steward, expert=expert)
    actions.reconcile()
    assert work()
    expert.refresh_from_db()
    return expert


def test_the_folder_says_what_it_is_made_of(home: Path) -> None:
    assert {path.name for path in home.iterdir()} == {WEIGHTS, CONFIG, "README.md", "profile.json"}
    card = (home / "README.md").read_text()
    assert card.startswith('---\nbase_model: "pocket"\nlibrary_name: "peft"\nlicense: "CC-BY-4.0"')
    assert "| rows, each once | 20 |" in card
    assert adapter_sha256(home) in card
    assert "| rank | 8 |" in card and "| alpha | 16 |" in card


def test_trained_at_home_it_is_the_same_as_a_workers_and_the_copy_is_told(
    home: Path, client: Client
) -> None:
    register_pocket()
    owner, steward = make_user(), make_user(steward=True)
    priority = declare(owner)
    here = see_through(submit(owner, priority), steward)
    assert here.status == Expert.Status.ELIGIBLE, here.status_reason
    assert here.adapter_sha256 == adapter_sha256(home)
    assert not any(one["kind"] == "clone" for one in here.checks["findings"])

    brought = make_brought_expert(make_user(), files=files_of(home), priority=priority)
    see_through(brought, steward)

    assert brought.status == Expert.Status.ELIGIBLE, brought.status_reason
    assert brought.adapter_sha256 == here.adapter_sha256
    assert brought.evidence["own"]["score"] == here.evidence["own"]["score"]
    (clone,) = [one for one in brought.checks["findings"] if one["kind"] == "clone"]
    assert clone["expert"] == here.pk
    page = client.get(brought.get_absolute_url()).content.decode()
    assert f"Here</a>, by {owner.display_name}" in page
    assert "cosine 1.00" in page


def edited(home: Path, **changes: Any) -> dict[str, bytes]:
    """The home folder with every weight replaced as `changes` says, by the end of its name."""
    files = files_of(home)
    files["adapter_config.json"] = json.dumps(
        json.loads(files["adapter_config.json"]) | changes.pop("config", {})
    ).encode()
    tensors = load_file(home / WEIGHTS)
    name = min(tensors)
    tensors[changes.get("rename", name)] = changes["change"](tensors.pop(name))
    target = home.parent / "edited.safetensors"
    save_file(tensors, target)
    files[WEIGHTS] = target.read_bytes()
    return files


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda tensor: torch.full_like(tensor, float("nan")), "numbers that are not finite"),
        (lambda tensor: torch.full_like(tensor, float("inf")), "numbers that are not finite"),
        (lambda tensor: tensor[:, 1:].contiguous(), "has shape"),
    ],
)
def test_what_does_not_fit_fails_with_its_reason(
    home: Path, client: Client, change: Any, says: str
) -> None:
    register_pocket()
    expert = make_brought_expert(make_user(), files=edited(home, change=change))

    see_through(expert, make_user(steward=True))

    assert expert.status == Expert.Status.FAILED
    assert says in client.get(expert.get_absolute_url()).content.decode()


def test_a_release_of_what_was_brought_alone_says_what_it_lacks(home: Path, client: Client) -> None:
    register_pocket()
    owner, steward = make_user(), make_user(steward=True)
    expert = make_brought_expert(owner, files=files_of(home), priority=declare(owner))
    see_through(expert, steward)
    release = composing_release(steward, [expert])

    assert work()

    release.refresh_from_db()
    assert release.status == Release.Status.LIVE, release.status_reason
    assert "their data stayed there" in release.report["missing"]["monolith"]
    assert client.get(release.get_absolute_url()).status_code == 200


def test_monoliths_beside_one_that_was_brought_learn_from_the_rest(home: Path) -> None:
    register_pocket()
    owner, steward = make_user(), make_user(steward=True)
    priority = declare(owner)
    files = files_of(home)
    del files["profile.json"]
    experts = [
        see_through(expert, steward)
        for expert in (
            submit(owner, priority),
            make_brought_expert(make_user(), files=files, priority=priority),
        )
    ]
    release = composing_release(steward, experts)

    assert work()

    release.refresh_from_db()
    assert release.status == Release.Status.LIVE, release.status_reason
    assert (
        "1 of 2 experts were trained elsewhere; the monoliths could not learn from their data."
        in release.report["sentences"]
    )
    assert release.report["tokens"]["experts"] == experts[0].tokens
