"""Elections as files, and the command that counts them."""

import json
import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from governance.tally import (
    BadElection,
    Candidate,
    Election,
    Question,
    count,
    election_from_json,
    election_to_json,
    pabulib,
    read,
    tally,
)

ROOT = Path(__file__).parents[2]
ABROAD = """\
META
key;value
description;"A ""small"" city"
budget;12.50
vote_type;approval
rule;unknown

PROJECTS
project_id;cost;name
7;4;"a bench; green"
9;8.5;Trees
VOTES
voter_id;age;vote
1;30;7,9
2;;9
3;41;
"""

# What a Pabulib file can hold: no separators, quotes or line breaks, no spaces at an end.
plain_texts = st.text(st.characters(exclude_categories=["Cs", "Cc", "Z"], exclude_characters=',;"'))


@st.composite
def written(draw: st.DrawFn) -> Election:
    ids = draw(st.lists(plain_texts.filter(bool), min_size=1, max_size=4, unique=True))
    amounts = st.integers(1, 10**30)
    return Election(
        candidates=tuple(Candidate(name, draw(amounts)) for name in ids),
        ballots=tuple(draw(st.lists(st.frozensets(st.sampled_from(ids)), max_size=5))),
        budget=draw(amounts),
        seed=draw(plain_texts),
        floor=draw(st.booleans()),
        rule=draw(st.sampled_from(["equal-shares", "greedy", "phragmen"])),
        without=draw(st.frozensets(st.sampled_from(ids))),
    )


@given(written())
def test_elections_survive_both_formats(election: Election) -> None:
    assert election_from_json(election_to_json(election)) == election
    assert pabulib.read(pabulib.write(election)) == election


@given(
    st.lists(st.sampled_from(["yes", "no", "abstain"])),
    st.fractions(0, 1, max_denominator=9),
    st.integers(0, 9),
    st.text(),
)
def test_questions_survive_json(
    ballots: list[str], threshold: Fraction, quorum: int, seed: str
) -> None:
    question = Question(tuple(ballots), threshold, quorum, seed)
    assert election_from_json(election_to_json(question)) == question
    result = count(question.to_dict())
    assert json.loads(json.dumps(result)) == result == tally(question).to_dict()


def test_a_pabulib_file_from_elsewhere_is_read() -> None:
    election = pabulib.read("\r\n".join(ABROAD.splitlines()))
    assert election.candidates == (Candidate("7", 40), Candidate("9", 85))
    assert election.ballots == (frozenset({"7", "9"}), frozenset({"9"}), frozenset())
    assert (election.budget, election.seed, election.floor) == (125, "", True)
    assert (election.rule, election.without) == ("equal-shares", frozenset())


@pytest.mark.parametrize("name", ["a,b", "a;b", 'a"b', " a", "a\nb"])
def test_what_pabulib_cannot_hold_is_not_written(name: str) -> None:
    election = Election((Candidate(name, 1),), (), 1, "")
    assert election_from_json(election_to_json(election)) == election
    with pytest.raises(ValueError, match="cannot hold"):
        pabulib.write(election)


@pytest.mark.parametrize(
    ("old", "new", "line", "column", "why"),
    [
        ("META\n", "", 1, "", "a section must begin"),
        ("budget;12.50\n", "", 0, "", "no budget"),
        ("12.50", "12,50", 4, "value", "no positive number"),
        ("12.50", "0", 4, "value", "no positive number"),
        ("approval", "ordinal", 5, "value", "vote_type is 'ordinal'"),
        ("unknown", "phragmenn", 6, "value", "rule 'phragmenn' is unknown"),
        ("rule;unknown", "floor;yes", 6, "value", "floor is 'yes'"),
        ("project_id;", "id;", 9, "", "no column 'project_id'"),
        ("9;8.5;Trees", "7;8.5;Trees", 11, "project_id", "twice"),
        ("9;8.5;Trees", ";8.5;Trees", 11, "project_id", "no id"),
        ("9;8.5;Trees", "9", 11, "cost", "ends too soon"),
        ("8.5", "-8.5", 11, "cost", "no positive number"),
        ("2;;9", "2;;8", 15, "vote", "no project 8"),
        ("VOTES", "VOTES?", 12, "cost", "ends too soon"),
        ("2;;9", "2;;" + "9," * 70_000, 15, "", "no table"),
    ],
)
def test_a_bad_pabulib_file_is_named_by_line_and_column(
    old: str, new: str, line: int, column: str, why: str
) -> None:
    with pytest.raises(BadElection, match=why) as raised:
        pabulib.read(ABROAD.replace(old, new, 1), file="city.pb")
    error = raised.value
    assert (error.file, error.line, error.column) == ("city.pb", line, column)
    assert str(error).startswith("city.pb")
    assert error.remedy in str(error)


@pytest.mark.parametrize("section", ["PROJECTS", "VOTES"])
def test_a_missing_section_is_named(section: str) -> None:
    with pytest.raises(BadElection, match=f"section {section} is missing|cost"):
        pabulib.read(ABROAD[: ABROAD.index(section)])


def test_broken_json_is_named_by_line_and_column() -> None:
    with pytest.raises(BadElection, match=r"^f\.json, line 2, column 3: it is not JSON") as raised:
        election_from_json("{\n  ?}", file="f.json")
    assert (raised.value.line, raised.value.column) == (2, "3")


GOOD = Election((Candidate("a", 1),), (frozenset("a"),), 5, "").to_dict()
ASKED = Question(("yes",), Fraction(1, 2), 1).to_dict()


@pytest.mark.parametrize(
    "data",
    [
        [],
        {},
        GOOD | {"format": "mosaic-election-2"},
        GOOD | {"rule": "borda"},
        GOOD | {"seed": 7},
        GOOD | {"seed": "\ud800"},
        GOOD | {"floor": 1},
        GOOD | {"budget": 10.0},
        GOOD | {"budget": True},
        GOOD | {"candidates": {"a": 1}},
        GOOD | {"candidates": ["a"]},
        GOOD | {"candidates": [{"id": 1, "cost": 1}]},
        GOOD | {"candidates": [{"id": "", "cost": 1}]},
        GOOD | {"ballots": ["a"]},
        GOOD | {"ballots": [["b"]]},
        GOOD | {"ballots": [[1]]},
        GOOD | {"without": "a"},
        GOOD | {"without": [1]},
        GOOD | {"without": None},
        ASKED | {"format": "other"},
        ASKED | {"threshold": "0.5"},
        ASKED | {"threshold": "1/0"},
        ASKED | {"threshold": "3/2"},
        ASKED | {"quorum": -1},
        ASKED | {"quorum": "1"},
        ASKED | {"ballots": ["maybe"]},
        ASKED | {"ballots": "yes"},
        {"rule": "yes-no", "ballots": []},
    ],
)
def test_json_that_is_no_election_is_refused(data: object) -> None:
    assert election_from_json(json.dumps(GOOD)).to_dict() == GOOD
    assert election_from_json(json.dumps(ASKED)).to_dict() == ASKED
    with pytest.raises(BadElection, match=r"^f\.json: .+"):
        election_from_json(json.dumps(data), file="f.json")


def run(*arguments: object, seed: str = "0") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "governance.tally", *map(str, arguments)],
        cwd=ROOT, env=os.environ | {"PYTHONHASHSEED": seed}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip


def test_the_command_prints_the_winners_whatever_the_hash_seed(tmp_path: Path) -> None:
    names = [f"e{number}" for number in range(12)]
    election = Election(
        tuple(Candidate(name, 2 + number % 3) for number, name in enumerate(names)),
        tuple(frozenset(names[at : at + 1 + at % 4]) for at in (0, 3, 5, 8, 2, 7, 1, 9, 3)),
        20, "lot", rule="phragmen", without=frozenset({"e4"}),
    )  # fmt: skip
    json_file, pb_file = tmp_path / "one.json", tmp_path / "one.pb"
    json_file.write_text(election_to_json(election), encoding="utf-8")
    pb_file.write_text(pabulib.write(election), encoding="utf-8")
    assert read(json_file) == read(pb_file) == election

    assert run(json_file).stdout.split("\n") == [*tally(election).winner_ids, ""]
    whole = [run(pb_file, "--rule", "equal-shares", "--json", seed=seed).stdout for seed in "12"]
    assert whole[0] == whole[1]
    assert json.loads(whole[0]) == count(election.to_dict() | {"rule": "equal-shares"})


def test_the_command_answers_a_bad_file_with_a_sentence(tmp_path: Path) -> None:
    question, bad = tmp_path / "question.json", tmp_path / "bad.pb"
    question.write_text(election_to_json(Question(("yes",), Fraction(1, 2), 1)), encoding="utf-8")
    bad.write_bytes(b"\xff\xfe")
    assert run(question).stdout == "yes\n"
    for arguments, why in (
        ((question, "--rule", "greedy"), "does not fit"),
        ((bad,), "not UTF-8"),
        ((tmp_path / "none.json",), "cannot be read"),
    ):
        refused = run(*arguments)
        assert (refused.returncode, refused.stdout) == (2, "")
        assert why in refused.stderr
        assert len(refused.stderr.splitlines()) == 1
