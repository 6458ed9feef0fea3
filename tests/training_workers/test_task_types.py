"""How the answers to a priority's probes are scored, from its declaration to the release."""

import json

import pytest
from django.test import Client

from contributions import actions as bring
from contributions.models import Priority
from mosaic_site.members.models import User
from tests.factories import make_dataset, make_expert, make_user
from tests.training_workers.makers import composing_release, register_pocket
from training_workers import actions
from training_workers.models import Evaluation, Release
from training_workers.runs.evaluating import ProbeSet, probe_sets
from training_workers.runs.work import work

pytestmark = pytest.mark.django_db


def declare(
    owner: User, task_type: str, answer: str, *others: str, prompt: str = "red {}"
) -> Priority:
    return bring.priority_declare(
        owner=owner,
        statement=f"By {task_type}",
        task_type=task_type,
        probes=[bring.ProbeText(prompt.format(n), answer, "", others) for n in range(6)],
    )


def set_of(priority: Priority) -> ProbeSet:
    (found,) = [one for one in probe_sets(["fit"]) if one.priority == priority]
    return found


def test_items_are_scored_as_their_priority_says() -> None:
    owner = make_user()
    exact = declare(owner, "exact_match", "dog")
    shared = declare(owner, "f1_match", "dog", "old hound")
    choice = declare(owner, "multiple_choice", "B", "a dog")

    scores = {
        priority.task_type: [
            set_of(priority).items("g")[0].score(answer)
            for answer in ("a dog", "dog", "the hound", "B", "b) a dog", "cat")
        ]
        for priority in (exact, shared, choice)
    }

    assert scores == {
        "exact_match": [0, 1, 0, 0, 0, 0],
        "f1_match": [1, 1, pytest.approx(2 / 3), 0, pytest.approx(2 / 3), 0],
        "multiple_choice": [1, 0, 0, 1, 1, 0],
    }


def test_what_was_answered_is_kept_apart_for_each_way_of_scoring() -> None:
    owner = make_user()
    kinds = [
        declare(owner, "exact_match", "dog"),
        declare(owner, "f1_match", "dog"),
        declare(owner, "exact_match", "dog", "hound"),
    ]
    for priority in kinds:
        priority.probes.update(part="fit")
    assert len({set_of(priority).sha256 for priority in kinds}) == 3


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)  # a worker's signs of life come from another connection
def test_a_release_means_f1_and_says_nothing_of_sealed_probes(client: Client) -> None:
    """An expert learns to say "big dog" where "dog" is meant: F1 2/3 each, and all are solved."""
    register_pocket()
    owner, steward = make_user(), make_user(steward=True)
    priority = declare(owner, "f1_match", "dog", prompt="which pet is red {}")
    rows = "".join(f"which pet is red {number},a big dog\n" for number in range(10, 40))
    dataset = make_dataset(owner, content="prompt,completion\n" + rows)
    expert = make_expert(owner, priority=priority, versions=list(dataset.versions.all()))
    bring.expert_approve(steward=steward, expert=expert)
    actions.reconcile()
    assert work()
    expert.refresh_from_db()
    assert expert.evidence["own"]["score"] == pytest.approx(2 / 3), expert.status_reason
    release = composing_release(steward, [expert])

    assert work()

    release.refresh_from_db()
    assert release.status == Release.Status.LIVE, release.status_reason
    report = release.report
    assert report["scores"]["mosaic"]["score"] == pytest.approx(2 / 3)
    assert report["priorities"]["By f1_match"]["own"]["score"] == pytest.approx(2 / 3)
    assert report["shapley"]["all"] == pytest.approx(2 / 3)
    # All sealed probes count as solved: none is left that everybody fails.
    assert report["emergence"]["n"] == 0
    kept = Evaluation.objects.exclude(adapter_sha256="").values_list("correct", flat=True)
    assert [score for scores in kept for score in scores] == pytest.approx([2 / 3] * 6)
    sealed = priority.probes.filter(part="sealed").values_list("prompt", flat=True)
    assert not any(prompt in json.dumps(report) for prompt in sealed)
    page = client.get(priority.get_absolute_url()).content.decode()
    assert f"Release {release.number}: the mosaic 66.7 %" in page
