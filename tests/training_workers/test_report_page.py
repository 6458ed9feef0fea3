"""The page of a release whose report holds everything that the engine finds out.

The report is made by the engine's own functions, from who answered which probe right.
"""

import re
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from contributions.models import Expert
from tests.factories import make_eligible_expert, make_priority, make_user
from tests.training_workers.makers import composing_release, go_live
from training_workers import actions
from training_workers.engine import reporting
from training_workers.engine.composing import Candidate
from training_workers.engine.emergence import emergence, regressions
from training_workers.engine.reporting import release_report
from training_workers.engine.resampling import Estimate
from training_workers.engine.shapley import Reading, shapley_values
from training_workers.models import Release
from training_workers.report import MODELS, RIVALS

pytestmark = pytest.mark.django_db

PROBES = 20
"""Of each priority. Its own expert solves the first 10, two experts together the next 8."""
ALONE = 10
TOGETHER = 18


def full_report(
    experts: Sequence[Expert],
    *,
    spoiler: bool = False,
    joined: bool = True,
    harms: bool = False,
    missing: Sequence[str] = (),
) -> dict[str, Any]:
    """Experts of a ring, in which each two neighbours solve some probes together.

    With `spoiler` the last expert is trusted on probes of others that the base solves, and fails;
    `joined` says whether the mosaic solves what takes two; with `harms` it fails the first
    priority, which the base solves.
    """
    names = [str(expert.pk) for expert in experts]
    statement = {str(expert.pk): expert.priority.statement for expert in experts}
    probes = [(at, number) for at in range(len(names)) for number in range(PROBES)]
    groups = [statement[names[at]] for at, _ in probes]
    easy = [number == PROBES - 1 or (harms and at == 0) for at, number in probes]
    alone = {
        name: [own == at and number < ALONE and not (harms and at == 0) for own, number in probes]
        for at, name in enumerate(names)
    }
    games = []
    for (at, number), is_easy in zip(probes, easy, strict=True):
        team = {names[at], names[(at + 1) % len(names)]}
        game = [Reading(frozenset(), 0.1, is_easy)]
        if harms and at == 0:
            game.append(Reading(frozenset({names[at]}), 0.9, False))
        elif spoiler and is_easy:
            game.append(Reading(frozenset({names[-1]}), 0.9, False))
        elif spoiler and names[-1] in team:
            pass  # whoever spoils has nothing else to give
        elif number < ALONE:
            game.append(Reading(frozenset({names[at]}), 0.8, True))
        elif joined and number < TOGETHER:
            game.append(Reading(frozenset(team), 0.8, True))
        games.append(game)
    mosaic = [game[-1].right for game in games]
    routes = [names[at] for at, _ in probes]
    owners = {statement[name]: [name] for name in names}
    contributors = {str(expert.pk): str(expert.owner_id) for expert in experts}
    hard = [row for row, (_, number) in enumerate(probes) if ALONE <= number < TOGETHER]
    example = {
        "prompt": "on which river is the town where nora lives",
        "reference": "lira",
        "answer": "lira",
        "steps": [
            [names[0], "where does nora live", "corley"],
            [names[-1], "on which river is corley", "lira"],
        ],
    }
    solved = [bool(mosaic[row]) for row in hard]
    controls = {
        "sequential": [number % 3 == 0 for _, number in probes],
        "monolith_wide": [number % 5 > 0 for _, number in probes],
        "best_single_resampled": alone[names[0]],
        "monolith_resampled": [number % 2 == 0 for _, number in probes],
        "monolith_chained": [number < TOGETHER - 1 for _, number in probes],
        "general": [number == 0 for _, number in probes],
    }
    report = release_report(
        groups=groups,
        base=easy,
        experts=alone,
        best_single=names[0],
        mosaic=mosaic,
        routes=routes,
        owners=owners,
        monolith=[number % 2 == 0 for _, number in probes],
        controls={name: right for name, right in controls.items() if name not in missing},
        missing=dict.fromkeys(missing, "It was not trained."),
        emergence=emergence(
            groups=[groups[row] for row in hard],
            mosaic=[solved] * 3,
            rivals={
                "best_single": [[False] * len(hard)] * 3,
                "routed": [[row % 8 == 0 for row in hard]] * 3,
            },
            budget=3,
            total=len(probes),
            examples=[example] if any(solved) else [],
        ),
        regressions=regressions(
            groups=groups,
            owners=owners,
            greedy=alone,
            draws={name: [right] * 4 for name, right in alone.items()},
            mosaic=[bool(right) for right in mosaic],
        ),
        credit={**shapley_values(games, names, contributors), "approximate": False},
        inference={"mosaic": 2.25},
    )
    candidates = [
        Candidate("nearest", "routing", 200, Estimate(0.5, 0.4, 0.6), [], 1.0),
        Candidate("soup", "weight", 48, Estimate(0.05, 0.0, 0.1), [], 1.0, given_up=True),
        Candidate("vote", "text", 200, Estimate(0.4, 0.3, 0.5), [groups[0]], 3.5),
        Candidate("chain", "text", 200, Estimate(0.9, 0.8, 1.0), [], 2.25),
    ]
    return report | {
        "strategy": "chain",
        "sees": "lexical",
        "generations": 2.25,
        "why": "chain scores 0.900 on the select probes, the best.",
        "candidates": [asdict(candidate) for candidate in candidates],
        "priority_ids": {expert.priority.statement: expert.priority_id for expert in experts},
        "expert_names": {str(expert.pk): expert.name for expert in experts},
        "tokens": {"experts": 120_000, "monolith": 119_500, "monolith_wide": 119_400},
        "controls": {"monolith": {"sha256": "c" * 64, "seconds": 31.5, "rank": 32}},
        "general": {"name": "larger", "parameters": 5_000_000},
    }


def with_report(release: Release, report: dict[str, Any]) -> Release:
    """Let a worker finish the composing with this report."""
    job = actions.job_claim_next(worker="bench:1")
    assert job is not None and job.release_id == release.pk
    actions.job_finish(job=job)
    return actions.release_go_live(
        release=release,
        strategy=report["strategy"],
        strategy_folder=f"{release.stored_below}/strategy",
        report=report,
        credits={int(name): share for name, share in report["credit"].items()},
    )


def make_full_release(
    experts: int = 8, priorities: int = 8, contributors: int = 30, **options: Any
) -> Release:
    steward = make_user(steward=True)
    owners = [make_user() for _ in range(min(contributors, experts))]
    needs = [make_priority(make_user()) for _ in range(priorities)]
    made = [
        make_eligible_expert(owners[at % len(owners)], steward, priority=needs[at % priorities])
        for at in range(experts)
    ]
    return with_report(composing_release(steward, made), full_report(made, **options))


def page(client: Client, release: Release) -> str:
    response = client.get(release.get_absolute_url())
    assert response.status_code == 200
    return response.content.decode()


def part(text: str, heading: str) -> str:
    """The section below a heading."""
    start = text.index(f"<h2>{heading}")
    return text[start : text.index("</section>", start)]


def words(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", html))


def test_its_rivals_stand_in_the_order_of_the_reports_sentences() -> None:
    assert tuple(reporting.RIVALS) == RIVALS
    assert MODELS.keys() == {"mosaic", *RIVALS}


def test_the_verdict_names_the_hardest_control_and_folds_the_rest(client: Client) -> None:
    text = part(page(client, make_full_release()), "Does it pay to compose?")

    verdict, folded = text[: text.index("<details")], text[text.index("<details") :]
    assert "The mosaic is above the best single expert" in verdict
    assert "the monolith with the mosaic&#x27;s own inference" in verdict
    assert "On no priority is the mosaic shown to be below the base." in verdict
    assert "a larger model without any contributed data" in folded
    assert folded.count("On no priority") == 0


def test_every_model_has_its_row(client: Client) -> None:
    release = make_full_release()
    text = words(part(page(client, release), "Does it pay to compose?"))

    for label, _ in MODELS.values():
        assert label in text
    difference = release.report["differences"]["monolith"]
    gain = 100 * difference["relative_gain"]["score"]
    assert f"{100 * difference['score']:+.1f} points" in text
    assert f"{gain:+.1f} %" in text
    for said in ("119,500 tokens, rank 32, 32 s", "larger, 5,000,000 parameters"):
        assert said in text
    assert "Not measured" not in text


def test_a_control_that_is_missing_says_why(client: Client) -> None:
    release = make_full_release(missing=["general", "monolith_chained"])

    text = words(part(page(client, release), "Does it pay to compose?"))

    assert text.count("Not measured: It was not trained.") == 2


def test_a_rival_that_solves_nothing_leaves_the_gain_out(client: Client) -> None:
    release = make_full_release()
    release.report["differences"]["general"]["relative_gain"] = None
    release.save()

    rows = re.findall(r"<tr>.*?</tr>", page(client, release), re.DOTALL)
    row = next(row for row in rows if "General model (" in row)
    assert 'data-label="Relative gain">–<' in row


def test_every_priority_is_compared_with_every_rival(client: Client) -> None:
    release = make_full_release()

    text = part(page(client, release), "For each priority")

    matrix = text[text.index("The mosaic against each rival") :]
    assert matrix.count("<td") == 8 * len(RIVALS)
    assert "Holm" in matrix and 'class="good"' in matrix
    assert "below the base</span>" not in text


def test_who_is_harmed_is_marked_and_said_first(client: Client) -> None:
    release = make_full_release(harms=True)
    [statement] = release.report["harmed"]

    text = page(client, release)

    assert f"below the base on these priorities: {statement}." in words(text)
    row = next(row for row in re.findall(r"<tr>.*?</tr>", text, re.DOTALL) if "pill--bad" in row)
    assert statement in row and "below the base" in row


class TestEmergence:
    def test_is_a_badge_where_it_is_shown(self, client: Client) -> None:
        release = make_full_release()
        assert release.report["emergence"]["badge"] is True

        text = words(part(page(client, release), "What only the whole solves"))

        assert "emergence shown" in text and "shows no emergence" not in text
        assert "64 of 160 sealed probes" in text
        assert "over the expert that the router names, right in one of 3 new draws" in text
        assert "was asked “on which river is corley” and answered “lira”" in text
        assert "surely solves, the mosaic fails 0, 0 %" in text

    def test_takes_fifty_probes(self, client: Client) -> None:
        release = make_full_release(experts=4, priorities=4)
        assert release.report["emergence"]["excess"]["low"] > 0

        text = part(page(client, release), "What only the whole solves")

        assert "emergence shown" not in text
        assert "it takes 50 unsolved probes" in text

    def test_takes_an_excess(self, client: Client) -> None:
        text = part(page(client, make_full_release(joined=False)), "What only the whole solves")

        assert "emergence shown" not in text
        assert "the interval of the excess reaches down to 0 or below" in text
        assert "Examples to read" not in text

    def test_has_nothing_to_be_seen_in_where_all_is_solved(self, client: Client) -> None:
        release = make_full_release()
        release.report["emergence"] = emergence(
            groups=[], mosaic=[[]], rivals={"routed": [[]]}, budget=1, total=160
        )
        release.save()

        text = part(page(client, release), "What only the whole solves")

        assert "solved by the base or an expert" in text and "emergence shown" not in text


def test_who_spoils_answers_is_told_so_in_words(client: Client) -> None:
    release = make_full_release(spoiler=True)
    member = release.members.order_by("credit")[0]
    assert member.credit < 0 and str(member.expert_id) == max(release.report["credit"], key=int)

    text = page(client, release)

    assert text.count("with it the mosaic solves less</span>") == 1
    tiles = text[text.index('<ol class="mosaic__keys">') : text.index("</ol>")]
    assert tiles.count("; with it the mosaic solves ") == 1
    assert tiles.count("of all probes to what the base solves") == 7
    assert tiles.count("no measured credit") == 1
    # Everybody has one expert, so nothing is to be said of contributors apart.
    assert "Credit by contributor" not in text


def test_credit_is_by_contributor_where_one_has_several_experts(client: Client) -> None:
    release = make_full_release(contributors=3, spoiler=True)
    values = {name: row["value"] for name, row in release.report["shapley"]["owners"].items()}

    text = page(client, release)

    rows = text[text.index("Credit by contributor") :].split("<tr>")[2:]
    assert len(rows) == 3
    for row, value in zip(rows, sorted(values.values(), reverse=True), strict=True):
        assert f'data-label="Shapley value">{100 * value:.1f}'.removesuffix(".0") in row
    assert "divides among these what all of them add together" in text


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({}, "Exact: every way to leave experts out was counted."),
        ({"exact": False}, "Estimated from 2,000 random orders of joining."),
        ({"approximate": True}, "Approximate: this strategy"),
    ],
)
def test_credit_says_how_sure_it_is(client: Client, facts: dict[str, bool], said: str) -> None:
    release = make_full_release()
    release.report["shapley"] |= facts
    release.save()

    assert said in page(client, release)


def test_how_it_was_composed(client: Client) -> None:
    text = words(part(page(client, make_full_release()), "How it was composed"))

    for said in (
        "text: what several models wrote becomes one answer",
        "the question&#x27;s words",
        "2.3 rows decoded a question",
        "given up early",
        "chain chosen",
    ):
        assert said in text


def test_an_old_report_keeps_its_old_words(client: Client) -> None:
    """What schema 1 did not have is not spoken of."""
    steward, owner = make_user(steward=True), make_user()
    experts = [make_eligible_expert(owner, steward, priority=make_priority(owner)) for _ in "ab"]
    release = go_live(composing_release(steward, experts))
    new = ("schema", "missing", "inference", "emergence", "regressions", "answered", "shapley")
    for key in new:
        del release.report[key]
    for difference in release.report["differences"].values():
        del difference["relative_gain"], difference["by_priority"]
    release.save()

    text = page(client, release)

    assert "answered 50 % of all sealed probes right" in text
    assert "that it was chosen for and answered right" in text
    assert "The mosaic is above the monolith" in text
    assert "119,500" in text and "32 s" in text
    for unsaid in ("Shapley", "What only the whole solves", "against each rival", "Not measured"):
        assert unsaid not in text


def test_the_page_keeps_to_its_budget(
    client: Client, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    release = make_full_release(experts=30, priorities=10)

    with django_assert_max_num_queries(12):
        text = page(client, release)

    assert len(text.encode()) < 100_000
    assert " style=" not in text
