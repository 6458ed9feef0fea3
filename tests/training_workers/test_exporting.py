"""A release as a download: others run it without us, and nothing is in it that must stay here."""

import io
import json
import shlex
import zipfile
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

from contributions.actions import expert_withdraw
from contributions.intake import ROLES, conversation
from contributions.models import Dataset, Expert
from mosaic_site.members.models import User
from tests.engine.plain import ask
from tests.training_workers.composed import QUESTIONS
from tests.training_workers.conftest import Compose
from tests.training_workers.makers import composing_release, make_live_release
from training_workers import actions
from training_workers.engine.base_facts import POCKET
from training_workers.engine.bases import load_base
from training_workers.engine.data import SEPARATOR
from training_workers.engine.pool import ExpertPool, Sampling
from training_workers.engine.release_folder import read_release, write_merged
from training_workers.engine.release_manifest import CHAT_TEMPLATE, VLLM_RANKS
from training_workers.engine.routing import Router
from training_workers.engine.strategies import Strategy, load_strategy
from training_workers.engine.strategies.best_single import BestSingle
from training_workers.engine.strategies.mixture import Mixture
from training_workers.engine.strategies.nearest import Nearest
from training_workers.engine.strategies.soup import Soup
from training_workers.engine.strategies.strategy import answer, save_strategy
from training_workers.models import Release

pytestmark = pytest.mark.django_db

SAMPLING = Sampling(max_new_tokens=6)
TOKENIZER = AutoTokenizer.from_pretrained(POCKET)


def best_single(router: Router) -> Strategy:
    """The second of the experts is the best."""
    base, *experts = router.table.correct
    return BestSingle({base: 0.0, **dict.fromkeys(experts, 0.1), experts[1]: 0.9})


def soup(router: Router) -> Strategy:
    return Soup(dict.fromkeys(router.table.experts, 0.4))


def live() -> Release:
    return Release.objects.live().get()


def with_merge() -> None:
    """As a composing run leaves it."""
    base, release = load_base(str(POCKET), device="cpu"), live()
    write_merged(release.merged_path, pool_of(base), load_strategy(release.strategy_path))


def pool_of(base: Any) -> ExpertPool:
    pool = ExpertPool(base)
    for member in live().members.select_related("expert"):
        pool.add(str(member.expert_id), member.expert.adapter_path)
    return pool


def download(to: Path) -> Path:
    """What a visitor gets, unpacked."""
    response = Client().get(reverse("training_workers:release_download", args=[live().number]))
    assert response.status_code == 200
    with zipfile.ZipFile(io.BytesIO(b"".join(response))) as archive:
        archive.extractall(to)
    return to


def command_in(card: str) -> list[str]:
    """vLLM's command, as the card has it."""
    return shlex.split(card.partition("```sh\n")[2].partition("\n```")[0])


def modules(command: Sequence[str]) -> dict[str, str]:
    at = command.index("--lora-modules") + 1
    pairs = (word.split("=", 1) for word in command[at:])
    return {name: path for name, path in pairs}


@pytest.mark.parametrize("strategy_of", [best_single, Nearest, Mixture, soup])
def test_the_engine_reads_it_and_answers_as_the_site_does(
    strategy_of: Callable[[Router], Strategy], compose: Compose, tmp_path: Path
) -> None:
    compose(strategy_of)
    with_merge()
    base = load_base(str(POCKET), device="cpu")
    pool = pool_of(base)
    expected = answer(load_strategy(live().strategy_path), pool, QUESTIONS, SAMPLING)

    there, strategy = read_release(download(tmp_path / "there"), base)

    assert answer(strategy, there, QUESTIONS, SAMPLING) == expected
    assert (tmp_path / "there" / "merged").exists() == (strategy.level == "weight")


def test_transformers_and_peft_load_an_expert_and_a_merge_of_it(
    compose: Compose, tmp_path: Path
) -> None:
    experts = compose(soup)
    with_merge()
    base = load_base(str(POCKET), device="cpu")
    pool = pool_of(base)
    folder = download(tmp_path / "there")
    manifest = json.loads((folder / "manifest.json").read_text())

    def plainly(adapter: str) -> list[str]:
        plain = AutoModelForCausalLM.from_pretrained(POCKET)
        model = PeftModel.from_pretrained(plain, str(folder / adapter)).eval()
        return [ask(base, model, text, SAMPLING.max_new_tokens).text for text in QUESTIONS]

    alone = BestSingle({"": 0.0, str(experts[0].pk): 1.0})
    together = load_strategy(live().strategy_path)
    of_first = next(one for one in manifest["experts"] if one["name"] == str(experts[0].pk))
    assert of_first["title"] == experts[0].name
    assert plainly(of_first["folder"]) == [
        one.text for one in answer(alone, pool, QUESTIONS, SAMPLING)
    ]
    assert plainly("merged") == [one.text for one in answer(together, pool, QUESTIONS, SAMPLING)]


@pytest.mark.parametrize(
    ("strategy_of", "says"),
    [
        (best_single, "serves all of this release"),
        (soup, "serves all of this release"),
        (Nearest, "does not route"),
        (Mixture, "cannot combine experts by `mixture`"),
    ],
)
def test_the_card_says_what_vllm_can_serve_and_how(
    strategy_of: Callable[[Router], Strategy], says: str, compose: Compose, tmp_path: Path
) -> None:
    experts = compose(strategy_of)
    with_merge()

    folder = download(tmp_path / "there")

    card = (folder / "README.md").read_text()
    command = command_in(card)
    served = modules(command)
    assert says in card
    assert command[:3] == ["vllm", "serve", "pocket"]
    room = int(command[command.index("--max-lora-rank") + 1])
    configs = [
        json.loads((folder / one / "adapter_config.json").read_text()) for one in served.values()
    ]
    assert room in VLLM_RANKS and max(config["r"] for config in configs) <= room
    assert (folder / command[command.index("--chat-template") + 1]).read_text() == CHAT_TEMPLATE
    if "all of this release" in says:
        assert list(served) == ["mosaic"]
    else:
        assert len(served) == len(experts)


@given(
    st.lists(
        st.tuples(st.sampled_from(ROLES), st.text("ab {}\n\"'é", min_size=1).map(str.strip)),
        min_size=1,
    )
)
def test_its_chat_template_writes_what_experts_learn_from(turns: list[tuple[str, str]]) -> None:
    messages = [{"role": role, "content": text} for role, text in turns]

    written = TOKENIZER.apply_chat_template(messages, chat_template=CHAT_TEMPLATE, tokenize=False)

    assert written == conversation(turns) + SEPARATOR


def test_an_expert_that_left_is_nowhere_in_it(compose: Compose, tmp_path: Path) -> None:
    leaver, *others = compose(Nearest)
    expert_withdraw(actor=leaver.owner, expert=leaver, reason="")

    folder = download(tmp_path / "there")

    manifest = json.loads((folder / "manifest.json").read_text())
    table = json.loads((folder / "strategy" / "strategy.json").read_text())["router"]["table"]
    assert {one["name"] for one in manifest["experts"]} == {str(one.pk) for one in others}
    assert len(list((folder / "experts").iterdir())) == len(others)
    assert set(table["correct"]) == {"", *(str(one.pk) for one in others)}
    assert "left it since" in (folder / "README.md").read_text()


def test_a_merge_that_lost_somebody_gives_way_to_the_best_of_the_rest(
    compose: Compose, tmp_path: Path
) -> None:
    leaver, second, third = compose(soup)
    with_merge()
    scores = {"": 0.0, str(leaver.pk): 0.9, str(second.pk): 0.2, str(third.pk): 0.5}
    save_strategy(BestSingle(scores), live().fallback_path)
    expert_withdraw(actor=leaver.owner, expert=leaver, reason="")

    folder = download(tmp_path / "there")

    _, strategy = read_release(folder, load_base(str(POCKET), device="cpu"))
    assert strategy == BestSingle({"": 0.0, str(second.pk): 0.2, str(third.pk): 0.5})
    assert not (folder / "merged").exists()


def test_a_merge_is_erased_with_an_expert_that_is_in_it(compose: Compose) -> None:
    leaver, *_ = compose(soup)
    with_merge()
    expert_withdraw(actor=leaver.owner, expert=leaver, reason="")

    with time_machine.travel(timezone.now() + timedelta(days=30), tick=False):
        actions.erase()

    assert not live().merged_path.exists() and live().strategy_path.exists()


def routed_by_profiles(router: Router) -> Strategy:
    profiles = {name: {"7": 3} for name in router.table.experts}
    return Nearest(Router(router.table, k=3, profiles=profiles, stack=(0.0, 1.0, 0.5)))


def test_word_counts_of_training_data_stay_here_unless_the_operator_wants_them(
    compose: Compose, tmp_path: Path
) -> None:
    compose(routed_by_profiles)

    def router_in(folder: Path) -> dict[str, Any]:
        state = json.loads((folder / "strategy" / "strategy.json").read_text())
        found: dict[str, Any] = state["router"]
        return found

    public = download(tmp_path / "public")
    call_command("export_release", live().number, out=tmp_path / "own", profiles=True, verbosity=0)

    assert router_in(public)["profiles"] == {} and router_in(public)["stack"] is None
    assert "counts stay there" in (public / "README.md").read_text()
    assert len(router_in(tmp_path / "own")["profiles"]) == 3
    read_release(public, load_base(str(POCKET), device="cpu"))


def test_the_command_writes_what_the_page_sends(
    compose: Compose, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    compose(Nearest)
    there = download(tmp_path / "there")

    call_command("export_release", live().number, out=tmp_path / "own")

    def content(folder: Path) -> dict[str, bytes]:
        files = (path for path in folder.rglob("*") if path.is_file())
        return {str(path.relative_to(folder)): path.read_bytes() for path in files}

    assert content(tmp_path / "own") == content(there)
    assert f"release {live().number}, 3 experts" in capsys.readouterr().out
    with pytest.raises(CommandError, match="not an empty folder"):
        call_command("export_release", live().number, out=tmp_path / "own")
    with pytest.raises(CommandError, match="no release 99"):
        call_command("export_release", 99, out=tmp_path / "other")


def test_it_tells_no_path_of_this_machine_and_names_whom_to_credit(
    compose: Compose, tmp_path: Path
) -> None:
    experts = compose(Nearest)

    folder = download(tmp_path / "there")

    texts = [path.read_text() for path in folder.rglob("*") if path.suffix in {".json", ".md"}]
    assert not any(str(POCKET.parent) in text or str(tmp_path) in text for text in texts)
    card = (folder / "README.md").read_text()
    assert "**Credit.** Name those below" in card
    assert f"a private dataset, {experts[0].owner.display_name}" in card


def test_what_may_not_be_passed_on_is_refused_and_why(compose: Compose) -> None:
    experts = compose(Nearest)
    of_first = Dataset.objects.filter(versions__experts=experts[0])
    of_first.update(licence="CC-BY-SA-4.0")
    Dataset.objects.exclude(pk__in=of_first).update(licence="CC-BY-NC-4.0")
    url = reverse("training_workers:release_download", args=[live().number])

    answered = Client().get(url, follow=True).content.decode()

    assert "CC-BY-NC-4.0 and CC-BY-SA-4.0 contradict each other" in answered


def test_only_what_went_live_and_has_somebody_left_can_be_downloaded(
    client: Client, people: tuple[User, User]
) -> None:
    release = make_live_release(*people)
    url = reverse("training_workers:release_download", args=[release.number])
    assert url in client.get(release.get_absolute_url()).content.decode()

    # The files of these experts were never written.
    assert "are not whole" in client.get(url, follow=True).content.decode()
    for expert in Expert.objects.all():
        expert_withdraw(actor=expert.owner, expert=expert, reason="")
    assert url not in client.get(release.get_absolute_url()).content.decode()
    assert "nothing is left of it" in client.get(url, follow=True).content.decode()


def test_what_is_being_composed_cannot_be_downloaded(
    client: Client, people: tuple[User, User]
) -> None:
    make_live_release(*people)
    composing = composing_release(people[1], list(Expert.objects.all()))

    url = reverse("training_workers:release_download", args=[composing.number])

    assert client.get(url).status_code == 404
