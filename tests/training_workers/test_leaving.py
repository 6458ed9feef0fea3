"""What leaves the live model when an expert does, and what is composed and erased afterwards."""

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.core.management import call_command
from django.test import Client
from django.utils import timezone
from pytest_django.fixtures import Settings

from contributions.actions import dataset_withdraw, expert_withdraw, reconcile_leaving
from contributions.models import Expert
from mosaic_site.ledger.chain import verify
from mosaic_site.ledger.models import Entry
from mosaic_site.members.models import User
from tests.factories import make_eligible_expert, make_expert, make_user
from tests.training_workers.composed import QUESTIONS
from tests.training_workers.conftest import Begin, Compose
from tests.training_workers.makers import begin as take
from tests.training_workers.makers import (
    composing_release,
    go_live,
    make_job,
    register_pocket,
)
from tests.training_workers.test_weights import declare, train
from training_workers import actions
from training_workers.engine.routing import Router
from training_workers.engine.strategies import Strategy
from training_workers.engine.strategies.best_single import BestSingle
from training_workers.engine.strategies.chain import CHAINED, DIRECT, Chain, Scale
from training_workers.engine.strategies.delta import Delta
from training_workers.engine.strategies.mixture import Mixture
from training_workers.engine.strategies.nearest import Nearest
from training_workers.engine.strategies.refine import Refine
from training_workers.engine.strategies.soup import Soup
from training_workers.engine.strategies.strategy import save_strategy
from training_workers.engine.strategies.ties import Ties
from training_workers.engine.strategies.vote import Vote
from training_workers.models import Evaluation, Job, Release
from training_workers.runs.work import work
from training_workers.serving.client import ask_and_wait
from training_workers.serving.process import ServingProcess
from training_workers.serving.wire import Asked

REASON = "I changed my mind."


def best_single(router: Router) -> Strategy:
    """The first of them is the best."""
    base, *experts = router.table.correct
    return BestSingle({base: 0.0, **{name: 1 / n for n, name in enumerate(experts, start=1)}})


def vote(router: Router) -> Strategy:
    return Vote(router, team=3)


def chain(router: Router) -> Strategy:
    return Chain(router, direct=Scale(-9.0, (0.0,) * DIRECT), chained=Scale(9.0, (0.0,) * CHAINED))


def soup(router: Router) -> Strategy:
    return Soup({name: 1 / 3 for name in router.table.experts})


def ties(router: Router) -> Strategy:
    return Ties({name: 1.0 for name in router.table.experts})


def answers(only: list[int] | None = None) -> list[list[dict[str, Any]]]:
    """Everything that is said to each of QUESTIONS, but how long it took and what was its way."""
    return [
        [
            {name: value for name, value in event.items() if name != "seconds"}
            for event in ask_and_wait(Asked(question, max_new_tokens=6, only=tuple(only or ())))
            if event["kind"] != "route"
        ]
        for question in QUESTIONS
    ]


def has_a_say(expert: Expert) -> bool:
    """Whether some answer names it, as one who answered or by its share of a word."""
    said = json.dumps(answers())
    return f'"{expert.name}"' in said or f'"{expert.pk}"' in said


def wait_for(process: ServingProcess, leaver: Expert) -> None:
    """Until the leaver's weights are out of memory: the process looks every second."""
    for _ in range(200):
        if process.served is not None and str(leaver.pk) not in process.served.pool.names:
            return
        process.stopping.wait(0.1)
    pytest.fail("the expert is still in memory")


@pytest.mark.django_db(transaction=True)
class TestServing:
    @pytest.mark.parametrize(
        "strategy", [best_single, Nearest, Mixture, Delta, vote, Refine, chain]
    )
    def test_the_others_answer_byte_for_byte_as_if_it_had_never_been(
        self, begin: Begin, compose: Compose, strategy: Callable[[Router], Strategy]
    ) -> None:
        leaver, *others = compose(strategy)
        process = begin()
        before = answers(only=[expert.pk for expert in others])
        each_before = [answers(only=[expert.pk]) for expert in others]
        assert has_a_say(leaver)

        expert_withdraw(actor=leaver.owner, expert=leaver, reason=REASON)
        wait_for(process, leaver)

        assert answers() == before
        assert [answers(only=[expert.pk]) for expert in others] == each_before
        assert not has_a_say(leaver)

    @pytest.mark.parametrize("strategy", [soup, ties])
    def test_a_merge_is_taken_down_to_its_fallback(
        self, begin: Begin, compose: Compose, strategy: Callable[[Router], Strategy]
    ) -> None:
        leaver, second, third = compose(strategy)
        release = Release.objects.get()
        scores = {str(leaver.pk): 0.9, str(second.pk): 0.2, str(third.pk): 0.7, "": 0.1}
        save_strategy(BestSingle(scores), release.fallback_path)
        process = begin()

        expert_withdraw(actor=leaver.owner, expert=leaver, reason=REASON)
        wait_for(process, leaver)

        route = ask_and_wait(Asked(QUESTIONS[0], max_new_tokens=6))[0]
        assert (route["strategy"], route["expert"]["name"]) == ("best_single", third.name)
        assert answers() == answers(only=[third.pk])
        assert [one["credit"] for one in _done(answers())] == [
            [{"expert": route["expert"], "share": 1.0}]
        ] * len(QUESTIONS)

    def test_a_merge_without_a_saved_fallback_gives_way_to_the_base(
        self, begin: Begin, compose: Compose
    ) -> None:
        leaver, *_ = compose(soup)
        process = begin()

        expert_withdraw(actor=leaver.owner, expert=leaver, reason=REASON)
        wait_for(process, leaver)

        assert [one["credit"] for one in _done(answers())] == [
            [{"expert": None, "share": 1.0}]
        ] * len(QUESTIONS)


def _done(said: list[list[dict[str, Any]]]) -> list[dict[str, Any]]:
    return [event for events in said for event in events if event["kind"] == "done"]


@pytest.fixture
def owner() -> User:
    return make_user("ada")


@pytest.fixture
def steward() -> User:
    return make_user("vera", steward=True)


def live_release(owner: User, steward: User, count: int = 3) -> tuple[Release, list[Expert]]:
    experts = [make_eligible_expert(owner, steward) for _ in range(count)]
    return go_live(composing_release(steward, experts)), experts


def leave(expert: Expert) -> None:
    expert_withdraw(actor=expert.owner, expert=expert, reason=REASON)
    actions.reconcile()


def names(release: Release) -> set[str]:
    return set(release.members.values_list("expert__name", flat=True))


@pytest.mark.django_db
class TestRebuilding:
    def test_the_same_decision_is_composed_without_it(self, owner: User, steward: User) -> None:
        live, (gone, *stay) = live_release(owner, steward)

        leave(gone)
        actions.reconcile()

        rebuilt = Release.objects.exclude(pk=live.pk).get()
        assert (rebuilt.decision, rebuilt.rebuilds) == (live.decision, live)
        assert names(rebuilt) == {expert.name for expert in stay}
        assert Job.objects.active().get().release == rebuilt
        page = Client().get(live.get_absolute_url()).content.decode()
        assert REASON in page and "It answers without them" in page
        assert rebuilt.get_absolute_url() in page
        assert Entry.objects.get(action="release.reduced").reason == f"“{gone}” left: {REASON}"

        go_live(rebuilt)

        live.refresh_from_db()
        assert live.status == "retired"
        page = Client().get(rebuilt.get_absolute_url()).content.decode()
        assert "composed anew, from the same decision" in page and REASON in page
        assert verify().broken is None

    def test_a_merge_is_said_to_be_taken_down(self, owner: User, steward: User) -> None:
        live, (gone, *_) = live_release(owner, steward)
        live.report["candidates"] = [{"name": live.strategy, "level": "weight"}]
        live.save()

        leave(gone)

        assert Entry.objects.get(action="release.taken_down").reason == f"“{gone}” left: {REASON}"

    def test_what_is_being_composed_anyway_takes_its_place(
        self, owner: User, steward: User
    ) -> None:
        live, (gone, *stay) = live_release(owner, steward)
        composing_release(steward, stay)

        leave(gone)

        assert Release.objects.count() == 2
        live.refresh_from_db()
        assert REASON in live.status_reason

    def test_a_rebuild_that_failed_is_a_stewards_to_retry(self, owner: User, steward: User) -> None:
        _, (gone, second, _) = live_release(owner, steward)
        leave(gone)
        _fail("No space left.")

        actions.reconcile()
        assert Release.objects.count() == 2

        leave(second)
        rebuilt = Release.objects.first()
        assert rebuilt is not None and rebuilt.status == "composing"
        assert second.name not in names(rebuilt)

    def test_where_nobody_is_left_the_base_answers(self, owner: User, steward: User) -> None:
        live, experts = live_release(owner, steward, count=2)
        for expert in experts:
            expert_withdraw(actor=owner, expert=expert, reason=REASON)

        actions.reconcile()

        assert list(Release.objects.all()) == [live]
        page = Client().get(live.get_absolute_url()).content.decode()
        assert "Nobody is left in it" in page

    def test_who_leaves_while_it_is_composed_is_left_out_by_itself(
        self, owner: User, steward: User
    ) -> None:
        experts = [make_eligible_expert(owner, steward) for _ in range(3)]
        release = composing_release(steward, experts)
        expert_withdraw(actor=owner, expert=experts[0], reason=REASON)
        _fail("An expert left meanwhile.")

        actions.reconcile()

        release.refresh_from_db()
        assert release.status == "composing"
        assert names(release) == {expert.name for expert in experts[1:]}
        assert Job.objects.active().get().release == release

    def test_a_failure_of_another_kind_is_not_tried_again(self, owner: User, steward: User) -> None:
        release = composing_release(steward, [make_eligible_expert(owner, steward)])
        _fail("No space left.")

        actions.reconcile()

        release.refresh_from_db()
        assert release.status == "failed"


def _fail(reason: str) -> None:
    """Let a worker give up the composing that is next in the queue."""
    job = actions.job_claim_next(worker="bench:1")
    assert job is not None and job.release is not None
    actions.job_fail(job=job, reason=reason)


@pytest.mark.django_db
class TestTraining:
    def test_that_waits_ends_with_its_data(self, owner: User, steward: User) -> None:
        job = make_job(owner, steward)
        assert job.expert is not None

        dataset = job.expert.versions.get().dataset
        dataset_withdraw(actor=owner, dataset=dataset, reason=REASON)
        actions.reconcile()

        job.refresh_from_db()
        assert (job.status, job.expert.status) == ("cancelled", "withdrawn")

    def test_that_runs_stops_at_its_next_step(self, owner: User, steward: User) -> None:
        job = take(make_job(owner, steward))
        assert job.expert is not None
        leave(job.expert)

        assert not actions.job_beat(job=job)
        actions.job_acknowledge_cancel(job=job)

        job.refresh_from_db()
        assert (job.status, job.expert.status) == ("cancelled", "withdrawn")
        assert job.reason == "Its expert was withdrawn."


@pytest.fixture
def media(settings: Settings, tmp_path: Path) -> Path:
    settings.MEDIA_ROOT = tmp_path
    return tmp_path


def write(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "adapter_model.safetensors").write_bytes(b"weights")
    return folder


def later(days: float) -> None:
    with time_machine.travel(timezone.now() + timedelta(days=days), tick=False):
        reconcile_leaving()
        actions.erase()


@pytest.mark.django_db
class TestErasing:
    def test_adapter_controls_answers_and_word_counts_go(
        self, owner: User, steward: User, media: Path
    ) -> None:
        live, (gone, *stay) = live_release(owner, steward)
        control = "c" * 64
        live.report["controls"] = {"monolith": {"sha256": control}}
        live.save()
        for expert in (gone, *stay):
            expert.adapter_folder = f"adapters/{expert.adapter_sha256}"
            expert.save()
            write(expert.adapter_path)
        learnt = write(media / "adapters" / control)
        profiles = {str(expert.pk): {"17": 3} for expert in (gone, *stay)}
        live.strategy_path.mkdir(parents=True)
        file = live.strategy_path / "strategy.json"
        file.write_text(json.dumps({"name": "nearest", "router": {"profiles": profiles}}))
        for sha256 in (gone.adapter_sha256, stay[0].adapter_sha256, control):
            Evaluation.objects.create(
                adapter_sha256=sha256, base_sha256="b" * 64, probes_sha256="p" * 64,
                decoding="greedy", correct=[1], answers=["yes"],
            )  # fmt: skip

        leave(gone)
        later(days=13)
        assert gone.adapter_path.exists() and learnt.exists()
        later(days=15)
        later(days=16)

        assert not gone.adapter_path.exists() and not learnt.exists()
        assert all(expert.adapter_path.exists() for expert in stay)
        live.refresh_from_db()
        assert not file.exists()
        state = json.loads((live.strategy_path / "strategy.json").read_text())
        assert state["router"]["profiles"] == {**profiles, str(gone.pk): {}}
        assert [one.adapter_sha256 for one in Evaluation.objects.all()] == [stay[0].adapter_sha256]
        erased = Entry.objects.get(action="expert.erased")
        assert erased.data == {"adapter": gone.adapter_sha256}
        assert Client().get(gone.get_absolute_url()).status_code == 200
        assert verify().broken is None
        call_command("audit_round", live.decision.round_id)

    def test_what_another_expert_has_in_common_with_it_stays(
        self, owner: User, steward: User, media: Path
    ) -> None:
        gone, twin = (make_eligible_expert(owner, steward) for _ in range(2))
        for expert in (gone, twin):
            expert.adapter_sha256, expert.adapter_folder = "a" * 64, f"adapters/{'a' * 64}"
            expert.save()
        write(twin.adapter_path)

        leave(gone)
        later(days=15)
        assert twin.adapter_path.exists()

        leave(twin)
        folder = twin.adapter_path
        later(days=15)
        assert not folder.exists()

    def test_what_no_row_names_goes_too_once_it_is_old(
        self, owner: User, steward: User, media: Path
    ) -> None:
        make_expert(owner)
        orphan = write(media / "adapters" / ("d" * 64))

        later(days=14)
        assert orphan.exists()
        later(days=16)
        assert not orphan.exists()


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)  # a worker's signs of life come from another connection
def test_the_whole_way_from_data_to_a_release_without_it(media: Path, steward: User) -> None:
    """Trained, composed, withdrawn, composed anew and erased, all by a worker."""
    register_pocket()
    ada, eve = make_user(), make_user()
    gone = train(ada, steward, declare(ada, "red"), "red")
    stays = train(eve, steward, declare(eve, "blue"), "blue")
    first = composing_release(steward, [gone, stays])
    assert work()
    first.refresh_from_db()
    assert first.fallback_path.exists()

    dataset = gone.versions.get().dataset
    dataset_withdraw(actor=ada, dataset=dataset, reason=REASON)
    actions.reconcile()
    assert work()
    later(days=15)

    rebuilt = Release.objects.live().get()
    assert (rebuilt.rebuilds, names(rebuilt)) == (first, {stays.name})
    first.refresh_from_db()
    on_disk = {folder.name for folder in (media / "adapters").iterdir()}
    assert gone.adapter_sha256 not in on_disk and not first.controls & on_disk
    assert {stays.adapter_sha256} | rebuilt.controls <= on_disk
    assert not list((media / "datasets").rglob(f"{gone.versions.get().sha256}*"))
    assert verify().broken is None
    call_command("audit_round", first.decision.round_id)
