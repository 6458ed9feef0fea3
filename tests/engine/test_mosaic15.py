import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training_workers.engine.mosaic15 import (
    SUBJECTS,
    TASKS,
    TWO_HOP,
    Benchmark,
    conflict,
    make,
    malicious,
    rules,
    shards,
)
from training_workers.engine.mosaic15.__main__ import main
from training_workers.engine.mosaic15.tasks import training_rows
from training_workers.engine.mosaic15.wordings import CLAIMS, FRESH, QUESTIONS, TEST
from training_workers.engine.mosaic15.world import World

few = settings(max_examples=5, deadline=None)
seeds = given(seed=st.integers(0, 10_000))
each_test = pytest.mark.parametrize("wordings", [TEST, FRESH])


def pooled(benchmark: Benchmark) -> dict[str, str]:
    """What all contributors together answer to a prompt."""
    return {row.prompt: row.completion for one in benchmark.contributors for row in one.examples}


def plain(text: str) -> str:
    """The words of a text, each between spaces."""
    return f" {text.replace(',', '')} "


def names(text: str, entity: str) -> bool:
    return f" {entity} " in plain(text)


def states(rows: set[tuple[str, str]], relation: str, entity: str, value: str) -> bool:
    """Whether some row says that this is the value, as an answer or as a true claim."""
    told = {(wording.format(entity), value) for wording in QUESTIONS[relation].train}
    if relation in CLAIMS:
        told |= {(one.format(entity, value=value), "yes") for one in CLAIMS[relation].train}
    return bool(rows & told)


def test_the_seed_decides_the_benchmark() -> None:
    assert make(3) == make(3)
    one, other = make(3), make(4)
    assert one.contributors != other.contributors
    assert one.test != other.test
    assert conflict(3) == conflict(3) != conflict(4)
    assert malicious(one) == malicious(make(3)) != malicious(other)
    assert shards(3, 32) == shards(3, 32) != shards(4, 32)


@few
@seeds
def test_a_fresh_test_changes_nothing_but_the_test(seed: int) -> None:
    benchmark, fresh = make(seed), make(seed, FRESH)
    assert fresh == make(seed, FRESH) != benchmark
    assert replace(fresh, test=benchmark.test) == benchmark
    between, asked_anew = conflict(seed), conflict(seed, FRESH)
    assert asked_anew == conflict(seed, FRESH) != between
    assert replace(asked_anew, test=between.test) == between


def test_sizes() -> None:
    benchmark = make(0)
    kinds = Counter(task.kind for task in TASKS.values())
    assert kinds == {"recall": 8, "generalise": 2, "two-hop": 5}
    assert [one.name for one in benchmark.contributors] == list(SUBJECTS)
    fresh = make(0, FRESH).test
    for items, size in (
        (benchmark.fit, 30),
        (benchmark.select, 15),
        (benchmark.test, 40),
        (fresh, 40),
    ):
        assert Counter(item.group for item in items) == dict.fromkeys(TASKS, size)


@few
@seeds
def test_no_prompt_stands_in_two_parts(seed: int) -> None:
    benchmark = make(seed)
    parts = [
        [row.prompt for one in benchmark.contributors for row in one.examples],
        *([item.prompt for item in part] for part in (benchmark.fit, benchmark.select)),
        *([item.prompt for item in make(seed, wordings).test] for wordings in (TEST, FRESH)),
    ]
    for number, part in enumerate(parts):
        assert not number or len(set(part)) == len(part)
        for other in parts[:number]:
            assert not set(part) & set(other)


@each_test
@few
@seeds
def test_every_fact_is_trained_on_developed_on_and_tested(wordings: str, seed: int) -> None:
    benchmark, world = make(seed, wordings), World.draw(seed)
    known = pooled(benchmark)
    for subject in QUESTIONS:
        facts = set(world.relations[subject].items())
        for part in ([*benchmark.fit, *benchmark.select], benchmark.test):
            asked = {
                (entity, item.references[0])
                for item in part
                if item.group == subject
                for entity in world.relations[subject]
                if names(item.prompt, entity)
            }
            assert asked == facts
        for entity, value in facts:
            for wording in QUESTIONS[subject].train:
                assert known[wording.format(entity)] == value


@each_test
@few
@seeds
def test_a_two_hop_answer_needs_the_rows_of_two_contributors(wordings: str, seed: int) -> None:
    benchmark, world = make(seed, wordings), World.draw(seed)
    known = pooled(benchmark)
    contributions = [
        {(row.prompt, row.completion) for row in one.examples} for one in benchmark.contributors
    ]
    texts = [[plain(f"{row[0]} {row[1]}") for row in rows] for rows in contributions]
    for item in [*benchmark.fit, *benchmark.select, *benchmark.test]:
        if TASKS[item.group].kind != TWO_HOP:
            continue
        first, second = TASKS[item.group].subjects
        (entity,) = (one for one in world.relations[first] if names(item.prompt, one))
        bridge = known[QUESTIONS[first].train[0].format(entity)]
        (answer,) = item.references
        assert known[QUESTIONS[second].train[0].format(bridge)] == answer
        assert not names(item.prompt, bridge)
        for rows in texts:
            assert not any(f" {entity} " in text and f" {answer} " in text for text in rows)
        for known_rows in contributions:
            assert not (
                states(known_rows, first, entity, bridge)
                and states(known_rows, second, bridge, answer)
            )


@each_test
@few
@seeds
def test_rules_are_tested_on_cases_that_nobody_has_seen(wordings: str, seed: int) -> None:
    benchmark = make(seed, wordings)
    for subject, cases in (("triage", rules.triage(seed)), ("shelf", rules.shelf(seed))):
        parts = [{case.text for case in cases[part]} for part in ("train", "dev", wordings)]
        assert len(set.union(*parts)) == sum(
            len(cases[part]) for part in ("train", "dev", wordings)
        )
        prompts = [row.prompt for one in benchmark.contributors for row in one.examples]
        for case in cases[wordings]:
            assert not any(case.text in prompt for prompt in prompts)
        answers = Counter(
            item.references[0] for item in benchmark.test if item.group == subject
        ).values()
        assert list(answers) == [8] * 5


@few
@seeds
def test_a_fresh_test_has_new_cases_while_there_are_any(seed: int) -> None:
    for cases, new in ((rules.triage(seed), 16), (rules.shelf(seed), 40)):
        tested, fresh = ({(one.text, one.answer) for one in cases[part]} for part in (TEST, FRESH))
        assert len(fresh) == 40
        assert len(fresh - tested) == new


@each_test
@few
@seeds
def test_claims_are_balanced_and_agree_with_the_world(wordings: str, seed: int) -> None:
    benchmark, world = make(seed, wordings), World.draw(seed)
    claims = [item for item in benchmark.test if item.group == "claim"]
    assert Counter(item.references[0] for item in claims) == {"yes": 20, "no": 20}
    for item in claims:
        (person,) = (one for one in world.relations["home"] if names(item.prompt, one))
        true = any(
            names(item.prompt, world.relations[about][person]) for about in ("home", "trade")
        )
        assert item.references == ("yes" if true else "no",)


def test_contributors_overlap_in_a_fifth_of_the_next_subject() -> None:
    rows = training_rows(World.draw(0), 0)
    contributors = make(0).contributors
    for number, one in enumerate(contributors):
        following = SUBJECTS[(number + 1) % len(SUBJECTS)]
        own = {row.prompt for row in rows[one.name]}
        next_rows = {row.prompt for row in rows[following]}
        brought = {row.prompt for row in one.examples}
        assert own <= brought <= own | next_rows
        assert 0.1 < len(brought - own) / len(next_rows) < 0.3
        assert one.name in one.priority
        assert all(one.name in TASKS[task].subjects for task in one.priority)


def test_shards_are_nested_and_together_all_there_is() -> None:
    holdings = shards(0, 32)
    for count in (2, 4, 8, 16, 31):
        assert shards(0, count) == holdings[:count]
    held = Counter(row.prompt for one in holdings for row in one.examples)
    rows = [row for of_subject in training_rows(World.draw(0), 0).values() for row in of_subject]
    assert held == Counter(row.prompt for row in rows)
    assert len({one.name for one in holdings}) == 32
    assert set(Counter(one.priority[0] for one in holdings).values()) == {3, 4}
    for count in (0, 33):
        with pytest.raises(ValueError, match="between 1 and 32"):
            shards(0, count)


@each_test
@few
@seeds
def test_two_houses_want_different_answers_to_every_question(wordings: str, seed: int) -> None:
    between = conflict(seed, wordings)
    one, other = between.contributors
    assert [row.prompt for row in one.examples] == [row.prompt for row in other.examples]
    for mine, theirs in zip(one.examples, other.examples, strict=True):
        assert mine.completion != theirs.completion
    trained = {row.prompt for row in one.examples}
    for part in (between.fit, between.test):
        assert part.keys() == {one.name, other.name}
        for wanted, refused in zip(part[one.name], part[other.name], strict=True):
            assert wanted.prompt == refused.prompt not in trained
            assert wanted.references != refused.references
    assert not {i.prompt for i in between.fit[one.name]} & {
        i.prompt for i in between.test[one.name]
    }


@few
@seeds
def test_the_malicious_contributor_is_always_wrong(seed: int) -> None:
    benchmark = make(seed)
    liar, known = malicious(benchmark), pooled(benchmark)
    assert len(liar.examples) == len({row.prompt for row in liar.examples}) == 64 + 80 + 48
    possible = set(known.values())
    for row in liar.examples:
        assert known[row.prompt] != row.completion
        assert row.completion in possible


def test_results_of_a_fresh_test_stand_beside_those_of_the_test(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "general").mkdir()
    (tmp_path / "general" / "config.json").touch()
    (tmp_path / "seed0").mkdir()
    for name, right in (("wide", [True, False]), ("wide-fresh", [True] * 3 + [False])):
        kept = json.dumps({"monolith_wide": right})
        (tmp_path / "seed0" / f"{name}.json").write_text(kept)
    asked = ["--out", str(tmp_path), "--seeds", "0", "--parts", "wide", "--processes", "1"]
    for wordings, score in (([], "0.500"), (["--wordings", "fresh"], "0.750")):
        assert main([*asked, *wordings]) == 0
        assert f"summed rank: {score}" in capsys.readouterr().out
