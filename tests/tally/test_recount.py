"""The second count, run as anybody would run it: one file, by a Python without site-packages.

Expected winners are worked out by hand; each test says how.
"""

import ast
import json
import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from governance.recount import recount
from governance.tally import election_from_dict, tally

ROOT = Path(__file__).parents[2]
RECOUNT = ROOT / "governance" / "recount.py"

Election = dict[str, Any]


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-I", "-S", RECOUNT, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def written(folder: Path, content: object, name: str = "election.json") -> Path:
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def election(costs: dict[str, int], ballots: list[str], budget: int, **more: object) -> Election:
    """Candidates with one-letter ids; a ballot is the letters that it approves."""
    return {
        "format": "mosaic-election-1",
        "rule": "equal-shares",
        "seed": "1",
        "candidates": [{"id": name, "cost": cost} for name, cost in costs.items()],
        "ballots": [list(ballot) for ballot in ballots],
        "budget": budget,
        **more,
    }


def winners(folder: Path, counted: Election) -> list[str]:
    result = run(written(folder, counted))
    assert (result.returncode, result.stderr) == (0, "")
    return result.stdout.splitlines()


# Each of the four voters holds 25. A is bought at 50/3 each, which leaves 25/3 to the supporters of
# B. With shares of 30 the last voter buys C; then 20 are left, and B does not fit.
COMPLETED = election({"A": 50, "B": 50, "C": 30}, ["AB", "AB", "A", "C"], 100)

# A takes all that its two voters hold. With shares of 30, C and D are bought both: 110 in all. So
# the outcome before counts, A alone, and the lot fills.
STOPPED = election({"A": 50, "C": 30, "D": 30}, ["A", "A", "C", "D"], 100)


def test_shares_are_raised_until_nothing_fits(tmp_path: Path) -> None:
    assert winners(tmp_path, COMPLETED) == ["A", "C"]


def test_shares_are_raised_by_one_percent_of_the_first(tmp_path: Path) -> None:
    # From shares of 2000 to 2020, enough for C; then D does not fit. At 2040 all three would be
    # bought, for more than the budget, and the fill after A alone would choose D.
    counted = election({"A": 4000, "C": 2020, "D": 4050}, ["A", "A", "C", "D", "D"], 10_000)
    assert winners(tmp_path, counted) == ["A", "C"]


@pytest.mark.parametrize(
    ("seed", "drawn"),
    [
        ("1", "D"),  # 1C: 0f88..., 1D: 0653...
        ("3", "C"),  # 3C: 83da..., 3D: fcff...
    ],
)
def test_raising_stops_before_the_budget_is_exceeded_and_the_lot_fills(
    tmp_path: Path, seed: str, drawn: str
) -> None:
    assert winners(tmp_path, {**STOPPED, "seed": seed}) == ["A", drawn]


def test_who_holds_less_pays_all_and_the_others_pay_more(tmp_path: Path) -> None:
    # Shares of 40. A costs 30 each, so the fourth voter has 10 left. B: 10 + 40 + 40, rho 4/9; C:
    # 17 + 17, rho 1/2. B comes first and leaves nothing to all three; the last voter alone buys D.
    # Then 30 are left, and C does not fit.
    ballots = ["A", "A", "A", "ABD", "BC", "BC", "D"]
    counted = election({"C": 34, "B": 90, "A": 120, "D": 40}, ballots, 280)
    assert winners(tmp_path, counted) == ["A", "B", "D"]


def test_at_the_same_rho_and_cost_more_approvals_come_first(tmp_path: Path) -> None:
    # Shares of 30. A takes all from its four voters, so B and C are paid by two each, rho 1/2.
    # The lot would choose C: 1C is 0f88..., 1B is e33c...
    ballots = ["A", "A", "A", "AB", "B", "B", "C", "C"]
    counted = election({"C": 40, "B": 40, "A": 120}, ballots, 240)
    assert winners(tmp_path, counted) == ["A", "B", "C"]


def test_at_the_same_rho_the_lower_cost_comes_first(tmp_path: Path) -> None:
    counted = election({"C": 21, "B": 20}, ["C", "B"], 60)
    assert winners(tmp_path, counted) == ["B", "C"]


def test_fill_takes_most_approvals_then_lower_cost_and_skips_what_does_not_fit(
    tmp_path: Path,
) -> None:
    costs = {"A": 50, "B": 60, "C": 21, "D": 20, "E": 9}
    ballots = ["ABCD", "ABCD", "AB", "E"]
    counted = election(costs, ballots, 100, rule="greedy")
    # A has 3 approvals and costs less than B, which then is too dear; C does not fit after D.
    assert winners(tmp_path, counted) == ["A", "D", "C", "E"]
    counted["budget"] = 90
    assert winners(tmp_path, counted) == ["A", "D", "E"]


def test_floor_asks_for_a_share_of_the_voters(tmp_path: Path) -> None:
    ballots = ["A"] * 9 + ["B", "", ""]  # who approves nobody is not a voter
    at_floor = election({"A": 10, "B": 30}, ballots, 100)  # 1/10 of the voters, 30/300
    assert winners(tmp_path, at_floor) == ["A", "B"]
    below = election({"A": 10, "B": 31}, ballots, 100)
    assert winners(tmp_path, below) == ["A"]
    assert winners(tmp_path, {**below, "floor": False}) == ["A", "B"]
    assert winners(tmp_path, {**below, "rule": "greedy"}) == ["A"]


def test_the_struck_leave_candidates_and_ballots_before_anything_is_counted(tmp_path: Path) -> None:
    # One of four voters is below B's floor of 1/3, one of the two that remain without A is not.
    counted = election({"A": 10, "B": 100}, ["A", "A", "AB", "C"], 100, without=["C"])
    assert winners(tmp_path, counted) == ["A"]
    assert winners(tmp_path, {**counted, "without": ["C", "A"]}) == ["B"]


def test_phragmen_ends_at_the_first_that_does_not_fit(tmp_path: Path) -> None:
    # A is paid at 50/3, D at 20, B at 50/3 + 25. Only 30 are left then: B ends it, and C, which
    # is due at 20 + 30 and would fit, is lost.
    costs = {"A": 50, "B": 50, "C": 30, "D": 20}
    counted = election(costs, ["AB", "AB", "A", "CD"], 100, rule="phragmen")
    assert winners(tmp_path, counted) == ["A", "D"]
    assert winners(tmp_path, {**counted, "budget": 150}) == ["A", "D", "B", "C"]


@pytest.mark.parametrize(("seed", "order"), [("1", ["B", "D", "C"]), ("3", ["B", "C", "D"])])
def test_phragmen_at_the_same_moment(tmp_path: Path, seed: str, order: list[str]) -> None:
    # B, C and D are all paid at 20: the lower cost, then the lot.
    costs = {"D": 40, "C": 40, "B": 20}
    ballots = ["C", "C", "D", "D", "B"]
    counted = election(costs, ballots, 100, rule="phragmen", seed=seed)
    assert winners(tmp_path, counted) == order


@pytest.mark.parametrize("rule", ["equal-shares", "greedy", "phragmen"])
def test_without_voters_nobody_wins(tmp_path: Path, rule: str) -> None:
    assert winners(tmp_path, election({"A": 1}, ["", ""], 9, rule=rule)) == []


@pytest.mark.parametrize(
    ("yes", "no", "abstain", "expected"),
    [
        (3, 2, 0, "yes"),
        (2, 2, 1, "no"),  # exactly the threshold is not enough
        (2, 1, 2, "yes"),  # abstentions count for the quorum only
        (2, 1, 1, "no"),  # no quorum
        (0, 0, 5, "no"),
    ],
)
def test_question(tmp_path: Path, yes: int, no: int, abstain: int, expected: str) -> None:
    question = {
        "format": "mosaic-election-1",
        "rule": "yes-no",
        "seed": "",
        "threshold": "1/2",
        "quorum": 5,
        "ballots": ["yes"] * yes + ["no"] * no + ["abstain"] * abstain,
    }
    assert winners(tmp_path, question) == [expected]


PB = """\
META
key;value
budget;10.0
vote_type;approval
rule;greedy
PROJECTS
project_id;cost;name
12;5.25;"A garden; with a pond"
14;4.75;Benches
15;0.5;Trees
VOTES
voter_id;age;vote
1;33;12,14
2;;"12, 14"
3;41;15
4;41;
"""


def test_pabulib_file(tmp_path: Path) -> None:
    file = written(tmp_path, PB, "election.pb")
    assert run(file).stdout.split() == ["14", "12"]
    # By equal shares each of three voters holds 10/3. 14 is bought at 2.375 each, Trees at 0.5,
    # and the garden does not fit into the rest.
    assert run(file, "--rule", "equal-shares").stdout.split() == ["14", "15"]
    city = written(tmp_path, PB.replace("rule;greedy", "rule;equalshares/add1"), "city.pb")
    assert run(city).stdout.split() == ["14", "15"]
    struck = PB.replace("rule;greedy", "rule;greedy\nwithout;14, 9").replace("41;15", '41;"15,9"')
    assert run(written(tmp_path, struck, "struck.pb")).stdout.split() == ["12", "15"]


def test_pabulib_file_with_floor_and_lot(tmp_path: Path) -> None:
    text = (
        "META\nkey;value\nbudget;100\nvote_type;approval\nlot_seed;3\nPROJECTS\nproject_id;cost\n"
        "A;50\nC;30\nD;30\nE;100\nVOTES\nvoter_id;vote\n1;A\n2;A\n3;C\n4;D,E\n"
    )
    assert run(written(tmp_path, text, "election.pb")).stdout.split() == ["A", "C"]
    # E costs the whole budget, and one voter in four is below its floor. Above it, E is bought at
    # shares of 100 at the earliest, long after C and D stopped the raising.
    low = text.replace("lot_seed;3", "lot_seed;1\nfloor;0")
    assert run(written(tmp_path, low, "low.pb")).stdout.split() == ["A", "D"]


# --- The published result ---


@pytest.mark.parametrize("published", [["A", "C"], {"winners": ["A", "C"]}])
def test_published_result_is_confirmed(tmp_path: Path, published: object) -> None:
    file = written(tmp_path, COMPLETED)
    result = run(file, "--published", written(tmp_path, published, "result.json"))
    assert (result.returncode, result.stdout) == (0, "A\nC\n")
    assert "confirmed" in result.stderr
    inside = run(written(tmp_path, {**COMPLETED, "published": published}))
    assert (inside.returncode, inside.stdout, inside.stderr) == (0, "A\nC\n", result.stderr)


@pytest.mark.parametrize(
    ("published", "difference"),
    [
        (["A"], "winner 2: published is nobody, the recount says C."),
        (["C", "A"], "winner 1: published is C, the recount says A."),
        (["A", "C", "B"], "winner 3: published is B, the recount says nobody."),
        ({"winners": [{"id": "A"}, {"id": "B"}]}, "winner 2: published is B, the recount says C."),
    ],
)
def test_first_difference_is_named(tmp_path: Path, published: object, difference: str) -> None:
    file = written(tmp_path, COMPLETED)
    result = run(file, "--published", written(tmp_path, published, "result.json"))
    assert (result.returncode, result.stdout, result.stderr) == (1, "A\nC\n", difference + "\n")
    inside = run(written(tmp_path, {**COMPLETED, "published": published}))
    assert (inside.returncode, inside.stderr) == (1, difference + "\n")


# --- Bad files ---


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ('{\n"format": }', "line 2: not JSON"),
        ('{"rule": "greedy", "rule": "phragmen"}', "the key 'rule' stands twice"),
        ("[" * 100_000, "too deep"),
        ("[]", "an election must be a JSON object"),
        ({**COMPLETED, "format": "mosaic-election-2"}, "the format must be"),
        ({**COMPLETED, "rule": "borda"}, "the rule 'borda' is none of"),
        ({**COMPLETED, "seed": 7}, "the seed must be text"),
        ({**COMPLETED, "seed": "\ud800"}, "the seed must be text"),
        ({**COMPLETED, "budget": 0}, "the budget must be a whole number above 0"),
        ({**COMPLETED, "budget": 100.0}, "the budget must be a whole number above 0"),
        ({**COMPLETED, "floor": 1}, "the floor must be true or false"),
        ({**COMPLETED, "without": "A"}, '"without" must be a list'),
        ({**COMPLETED, "candidates": None}, "the candidates must be a list"),
        ({**COMPLETED, "candidates": ["A"]}, "candidate 1 is not an object"),
        ({**COMPLETED, "candidates": [{"id": "", "cost": 1}]}, "candidate 1: the id"),
        ({**COMPLETED, "candidates": [{"id": "A", "cost": True}]}, "candidate 1: the cost"),
        ({**COMPLETED, "candidates": [{"id": "A", "cost": 1}] * 2}, "candidate 2: the id A stands"),
        ({**COMPLETED, "ballots": "A"}, "the ballots must be a list"),
        ({**COMPLETED, "ballots": [["A"], "A"]}, "ballot 2 is not a list"),
        ({**COMPLETED, "ballots": [["A", "A"]]}, "ballot 1 approves a candidate twice"),
        ({**COMPLETED, "ballots": [["Z"]]}, "ballot 1 approves Z, which is no candidate"),
        ({**COMPLETED, "published": "A"}, "a published result must be"),
        ({**COMPLETED, "rule": "yes-no", "threshold": "1/0"}, "the threshold must be a fraction"),
        ({**COMPLETED, "rule": "yes-no", "threshold": "1/2"}, "the quorum must be"),
        (
            {**COMPLETED, "rule": "yes-no", "threshold": "1/2", "quorum": 1},
            "ballot 1 is not yes, no or abstain",
        ),
    ],
)
def test_bad_election(tmp_path: Path, content: object, why: str) -> None:
    result = run(written(tmp_path, content))
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith(f"{tmp_path / 'election.json'}: ")
    assert why in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("META\n", "", "line 1: a file must begin with META"),
        ("budget;10.0\n", "", "META: the budget is no number: ''"),
        ("10.0", "10,0", "META: the budget is no number: '10,0'"),
        ("approval", "ordinal", "META: the vote_type must be approval"),
        ("greedy", "greedy\nrule;phragmen", "line 6: rule stands twice"),
        ("greedy", "greedy\nfloor;yes", "META: the floor must be 0 or 1"),
        ("rule;greedy", "rule;greedy-threshold", "the rule 'greedy-threshold' is none of"),
        ("PROJECTS", "META", "line 6: META stands twice"),
        (PB[PB.index("VOTES") :], "", "the section VOTES is missing"),
        ("project_id;cost;name", "project_id;price;name", "line 7: PROJECTS has no column cost"),
        ("14;4.75", "14;0", "line 9: the cost must be above 0"),
        ("14;4.75", "12;4.75", "line 9: no id, or one used before"),
        ("Benches", "Benches;new", "line 9: 4 fields, but 3 columns"),
        ("3;41;15", "3;41;16", "line 15: the vote approves 16, which is no candidate"),
        ("3;41;15", "3;41;15,15", "line 15: the vote approves a candidate twice"),
        ("3;41;15", '3;41;"15', "line 16: unexpected end of data"),
    ],
)
def test_bad_pabulib_file(tmp_path: Path, old: str, new: str, why: str) -> None:
    assert old in PB
    result = run(written(tmp_path, PB.replace(old, new, 1), "election.pb"))
    assert (result.returncode, result.stdout) == (2, "")
    assert f"{tmp_path / 'election.pb'}: {why}" in result.stderr


def test_file_that_cannot_be_read(tmp_path: Path) -> None:
    missing = run(tmp_path / "election.json")
    assert missing.returncode == 2
    assert "election.json: No such file" in missing.stderr
    (tmp_path / "election.json").write_bytes(b'{\n"seed": "\xff"}')
    latin = run(tmp_path / "election.json")
    assert latin.returncode == 2
    assert "election.json: line 2: not UTF-8" in latin.stderr


def test_nothing_to_do(tmp_path: Path) -> None:
    file = written(tmp_path, COMPLETED)
    assert run().returncode == 2
    assert run(file, "--openings", file).returncode == 2
    assert run("--chain", file, "--published", file).returncode == 2


# --- The ballot box ---

Entry = dict[str, Any]
Casts = list[tuple[str, str]]  # (pseudonym, approved letters), as they came in

CASTS: Casts = [("aa", "C"), ("bb", "AB"), ("cc", "AB"), ("aa", "A"), ("dd", "C")]


def digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def opening(number: int, letters: str) -> dict[str, str]:
    """Whoever approves of C answers question 7 with no, and all others with yes."""
    nonce = f"{number:064x}"
    answers = {"7": "no" if "C" in letters else "yes"}
    ballot = json.dumps({"answers": answers, "approve": list(letters)})
    return {"receipt": digest(nonce + ballot), "nonce": nonce, "ballot": ballot}


def openings_of(casts: Casts) -> list[dict[str, str]]:
    """Of each pseudonym's last ballot, in an order of their own."""
    last = {voter: opening(number, letters) for number, (voter, letters) in enumerate(casts)}
    return sorted(last.values(), key=lambda one: one["receipt"])


def chained(contents: list[tuple[str, str]]) -> list[Entry]:
    entries: list[Entry] = []
    previous = "0" * 64
    for position, (kind, payload) in enumerate(contents):
        here = digest(f"{previous}\n{position}\n{kind}\n{payload}")
        entry = {"position": position, "kind": kind, "payload": payload}
        entries.append({**entry, "previous": previous, "hash": here})
        previous = here
    return entries


def chain_of(casts: Casts, electors: int = 4) -> list[Entry]:
    contents = [("setup", json.dumps({"electors": electors}))]
    for number, (voter, letters) in enumerate(casts):
        receipt = opening(number, letters)["receipt"]
        contents.append(("cast", json.dumps({"voter": voter, "receipt": receipt})))
    return chained([*contents, ("close", "{}"), ("result", '{"winners": ["A", "C"]}')])


def lines(entries: list[Entry]) -> str:
    return "".join(json.dumps(entry) + "\n" for entry in entries)


def check_box(
    folder: Path, entries: list[Entry], opened: list[dict[str, str]], counted: Election
) -> subprocess.CompletedProcess[str]:
    return run(
        written(folder, counted),
        *("--chain", written(folder, lines(entries), "box.jsonl")),
        *("--openings", written(folder, opened, "openings.json")),
    )


def test_each_proven_statement_is_printed(tmp_path: Path) -> None:
    result = check_box(tmp_path, chain_of(CASTS), openings_of(CASTS), COMPLETED)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.splitlines() == [
        "chain intact: 8 entries",
        "ballots that count: 4, of 4 electors",
        "openings fit their receipts: 4",
        "every ballot that counts is opened, and no other",
        "the election counts exactly these ballots: 4",
        "A",
        "C",
    ]


def test_a_question_counts_the_answers_of_the_box(tmp_path: Path) -> None:
    asked: Election = {"format": "mosaic-election-1", "rule": "yes-no", "question": "7"}
    asked |= {"threshold": "1/2", "quorum": 1}
    answers = ["yes", "yes", "yes", "no"]
    holds = check_box(tmp_path, chain_of(CASTS), openings_of(CASTS), {**asked, "ballots": answers})
    assert (holds.returncode, holds.stdout.splitlines()[-1]) == (0, "yes")
    stuffed = check_box(
        tmp_path, chain_of(CASTS), openings_of(CASTS), {**asked, "ballots": ["no", *answers]}
    )
    assert stuffed.returncode == 1
    assert "the ballot ['no'] is 1 times in the box, 2 times in the election." in stuffed.stderr


def test_chain_alone(tmp_path: Path) -> None:
    result = run("--chain", written(tmp_path, lines(chain_of(CASTS)), "box.jsonl"))
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.splitlines() == [
        "chain intact: 8 entries",
        "ballots that count: 4, of 4 electors",
    ]


@pytest.mark.parametrize("key", ["payload", "kind", "previous", "hash", "position"])
@pytest.mark.parametrize("at", [0, 3, 7])
def test_changed_entry_breaks_the_chain(tmp_path: Path, key: str, at: int) -> None:
    entries = chain_of(CASTS)
    other = {"payload": "{}", "kind": "cast" if at != 3 else "close", "position": at + 1}
    entries[at][key] = other.get(key, "f" * 64)
    result = run("--chain", written(tmp_path, lines(entries), "box.jsonl"))
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.startswith(f"{tmp_path / 'box.jsonl'}: line {at + 1}: ")


def test_missing_or_swapped_entry_breaks_the_chain(tmp_path: Path) -> None:
    entries = chain_of(CASTS)
    for broken in (
        entries[1:],
        entries[:3] + entries[4:],
        [*entries[:3], entries[4], entries[3], *entries[5:]],
    ):
        result = run("--chain", written(tmp_path, lines(broken), "box.jsonl"))
        assert (result.returncode, result.stdout) == (1, "")
        assert "is due" in result.stderr


SETUP = ("setup", '{"electors": 4}')
CAST = ("cast", '{"voter": "aa", "receipt": "11"}')


@pytest.mark.parametrize(
    ("contents", "status", "why"),
    [
        ([CAST], 1, "line 1: a cast is not due here"),
        ([SETUP, SETUP], 1, "line 2: a setup is not due here"),
        ([SETUP, ("close", ""), CAST], 1, "line 3: a cast is not due here"),
        ([("setup", '{"electors": 0}'), CAST], 1, "1 voters have cast a ballot, but there are 0"),
        ([SETUP, CAST, ("cast", CAST[1].replace("aa", "bb"))], 1, "2 voters have the same receipt"),
        ([("setup", "{}")], 2, "line 1: electors must be a whole number"),
        ([SETUP, ("cast", "{}")], 2, "line 2: no voter or no receipt"),
        ([SETUP, ("cast", "[]")], 2, "line 2: the payload is not a JSON object"),
        ([SETUP, ("cast", "{")], 2, "line 2: not JSON"),
        ([SETUP, ("vote", "{}")], 2, "line 2: the kind is none of"),
        ([], 2, "line 1: not JSON"),
    ],
)
def test_well_linked_chain_that_is_no_ballot_box(
    tmp_path: Path, contents: list[tuple[str, str]], status: int, why: str
) -> None:
    result = run("--chain", written(tmp_path, lines(chained(contents)), "box.jsonl"))
    assert (result.returncode, result.stdout) == (status, "")
    assert f"{tmp_path / 'box.jsonl'}: {why}" in result.stderr


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("[]", "line 2: not a JSON object"),
        ("{}", "line 2: kind must be text"),
        ('{"kind": "cast", "payload": "", "previous": "", "hash": ""}', "line 2: the position"),
        ("", "line 2: not JSON"),
    ],
)
def test_bad_line_of_a_chain(tmp_path: Path, line: str, why: str) -> None:
    text = lines(chained([SETUP])) + line + "\n" + lines(chained([SETUP]))
    result = run("--chain", written(tmp_path, text, "box.jsonl"))
    assert (result.returncode, result.stdout) == (2, "")
    assert f"{tmp_path / 'box.jsonl'}: {why}" in result.stderr


def test_openings_must_be_those_of_the_box(tmp_path: Path) -> None:
    entries, opened = chain_of(CASTS), openings_of(CASTS)
    replaced = opening(0, "C")  # the first ballot of aa, who voted again
    other = {**opened[0], "ballot": opened[0]["ballot"].replace("[", '["Z", ')}
    for changed, why in (
        (opened[1:], f"the counted ballot {opened[0]['receipt']} is missing from the openings."),
        ([*opened, replaced], f"the opened ballot {replaced['receipt']} is not among those"),
        ([*opened, opened[0]], f"opening 5: the receipt {opened[0]['receipt']} is opened twice."),
        ([other, *opened[1:]], f"opening 1: the receipt {opened[0]['receipt']} does not belong"),
    ):
        result = check_box(tmp_path, entries, changed, COMPLETED)
        assert result.returncode == 1
        assert result.stdout.startswith("chain intact: 8 entries\n")
        assert "the election counts" not in result.stdout
        assert why in result.stderr


def test_election_must_count_the_ballots_of_the_box(tmp_path: Path) -> None:
    ballots = [["B", "A"], ["B", "A"], ["A"], ["A", "C"]]
    result = check_box(
        tmp_path, chain_of(CASTS), openings_of(CASTS), {**COMPLETED, "ballots": ballots}
    )
    assert result.returncode == 1
    assert result.stderr == (
        "the ballot ['A', 'C'] is 0 times in the box, 1 times in the election.\n"
    )


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("{}", "the openings must be a list"),
        ("[1]", "opening 1 is not an object"),
        ([{"receipt": "11", "nonce": "22"}], "opening 1: ballot must be text"),
        (
            [{"receipt": digest("{"), "nonce": "", "ballot": "{"}],
            "opening 1: the ballot is not JSON",
        ),
        (
            [{"receipt": digest("[]"), "nonce": "", "ballot": "[]"}],
            "opening 1: the ballot is not a JSON object",
        ),
        (
            [{"receipt": digest("{}"), "nonce": "", "ballot": "{}"}],
            "opening 1: approve must be a list of ids",
        ),
    ],
)
def test_bad_openings(tmp_path: Path, content: object, why: str) -> None:
    result = run(
        *("--chain", written(tmp_path, lines(chain_of(CASTS)), "box.jsonl")),
        *("--openings", written(tmp_path, content, "openings.json")),
    )
    assert result.returncode == 2
    assert f"{tmp_path / 'openings.json'}: {why}" in result.stderr


# --- Independence ---


def imported(path: Path) -> set[str]:
    """Every module that a file imports, anywhere in it; relative ones with their dots."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = "." * node.level + (node.module or "")
            found |= {base} | {f"{base}.{name.name}" for name in node.names}
    return found


def test_the_recount_imports_the_standard_library_only() -> None:
    modules = {name.split(".")[0] for name in imported(RECOUNT)}
    assert "fractions" in modules
    assert modules <= sys.stdlib_module_names | {"__future__"}
    assert not modules & {"importlib", "runpy"}


def test_the_tally_does_not_import_the_recount() -> None:
    files = list((ROOT / "governance" / "tally").rglob("*.py"))
    assert files
    for file in files:
        assert not [name for name in imported(file) if "recount" in name], file


# --- Both counts agree ---


@st.composite
def elections(draw: st.DrawFn) -> Election:
    """Small, with many ties: costs and ballots often repeat."""
    names = draw(st.lists(st.sampled_from("ABCDEFGHÉ"), min_size=1, max_size=8, unique=True))
    costs = draw(st.sampled_from([st.just(10), st.sampled_from([10, 15, 30]), st.integers(1, 60)]))
    one = st.lists(st.sampled_from(names), unique=True)
    some = draw(st.lists(one, min_size=1, max_size=6))
    ballots = draw(st.sampled_from([one, st.sampled_from(some)]))
    return {
        "format": "mosaic-election-1",
        "rule": draw(st.sampled_from(["equal-shares", "greedy", "phragmen"])),
        "seed": draw(st.sampled_from(["", "0", "1f", "ab"])),
        "candidates": [{"id": name, "cost": draw(costs)} for name in names],
        "without": draw(st.lists(st.sampled_from(names), unique=True, max_size=2)),
        "ballots": draw(st.lists(ballots, max_size=14)),
        "budget": draw(st.integers(1, 120)),
        "floor": draw(st.booleans()),
    }


@st.composite
def questions(draw: st.DrawFn) -> Election:
    return {
        "format": "mosaic-election-1",
        "rule": "yes-no",
        "seed": "",
        "threshold": draw(st.sampled_from(["1/2", "2/3", "0/1", "1/1"])),
        "quorum": draw(st.integers(0, 8)),
        "ballots": draw(st.lists(st.sampled_from(["yes", "no", "abstain"]), max_size=8)),
    }


@settings(max_examples=600, deadline=None)
@given(elections() | questions())
def test_both_counts_agree(counted: Election) -> None:
    assert recount(counted) == list(tally(election_from_dict(counted)).winner_ids)


@pytest.mark.parametrize("rule", ["equal-shares", "greedy", "phragmen"])
def test_both_commands_read_the_same_files(tmp_path: Path, rule: str) -> None:
    decimals = PB.replace("rule;greedy", "lot_seed;3\nwithout;15\nfloor;0")
    for file in (
        written(tmp_path, PB, "election.pb"),
        written(tmp_path, decimals, "decimals.pb"),
        written(tmp_path, STOPPED),
    ):
        first = subprocess.run(
            [sys.executable, "-m", "governance.tally", file, "--rule", rule],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        assert first.stdout
        assert run(file, "--rule", rule).stdout == first.stdout
