"""A second count of an election, and a check of its ballot box, by one file that needs only Python.

    python recount.py ELECTION                          prints the winners, one a line
    python recount.py ELECTION --published RESULT       and compares them with a published result
    python recount.py [ELECTION] --chain BOX --openings OPENINGS

ELECTION is our JSON or a Pabulib .pb file (https://pabulib.org/format). Exit status: 0 it holds,
1 something published does not hold, 2 a file cannot be read.

This file shares no code with the count that it checks. All arithmetic is exact. The rules:

equal-shares  Method of Equal Shares with cost utilities (Peters, Pierczyński and Skowron,
              "Proportional Participatory Budgeting with Additive Utilities", NeurIPS 2021)
greedy        most approvals first
phragmen      sequential Phragmén with costs (Los, Christoff and Grossi, "Proportional Budget
              Allocations: Towards a Systematization", IJCAI 2022)
yes-no        a quorum and a threshold
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import io
import json
import re
import sys
from collections import Counter
from collections.abc import Callable, Container, Iterator
from fractions import Fraction
from math import gcd
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

RULES = ("equal-shares", "greedy", "phragmen", "yes-no")
Read = TypeVar("Read")


class Bad(ValueError):
    """A file, or an election, that is not what it should be. The text says where and why."""


class Failed(Exception):
    """Something published that does not hold. The text says what."""


# --- The count ------------------------------------------------------------------------------------


class Candidate(NamedTuple):
    id: str
    cost: int
    approvals: int
    groups: list[int]  # which groups of equal ballots approve it: places in `sizes`, see `standing`
    lot: str


def recount(election: dict[str, Any]) -> list[str]:
    """The ids of the winners, in the order in which the rule chose them. Raises `Bad`."""
    check(election)
    rule = election.get("rule", "equal-shares")
    if rule == "yes-no":
        return [yes_or_no(election)]
    candidates, sizes = standing(election)
    if not candidates:
        return []
    count = {"equal-shares": equal_shares, "greedy": greedy, "phragmen": phragmen}[rule]
    return [candidate.id for candidate in count(candidates, sizes, election["budget"])]


def standing(election: dict[str, Any]) -> tuple[list[Candidate], list[int]]:
    """The eligible candidates, and how many voters cast each distinct ballot."""
    struck = set(election.get("without", []))
    ballots = Counter(frozenset(ballot) - struck for ballot in election["ballots"])
    del ballots[frozenset()]  # who approves nobody is not a voter
    sizes = list(ballots.values())
    voters = sum(sizes)

    groups: dict[str, list[int]] = {}
    for group, ballot in enumerate(ballots):
        for name in ballot:
            groups.setdefault(name, []).append(group)

    budget = election["budget"]
    # Phragmén's order must not depend on the budget: anybody who is approved may have a turn.
    everybody = election.get("rule") == "phragmen"
    eligible = []
    for entry in election["candidates"]:
        name, cost = entry["id"], entry["cost"]
        if name in struck or name not in groups:
            continue
        approvals = sum(sizes[group] for group in groups[name])
        # Święcie's floor: the share of voters must reach the share of three budgets.
        floor = Fraction(cost, 3 * budget) if election.get("floor", True) else 0
        if not everybody and (cost > budget or Fraction(approvals, voters) < floor):
            continue
        lot = sha256(election.get("seed", "") + name)
        eligible.append(Candidate(name, cost, approvals, groups[name], lot))
    return eligible, sizes


def equal_shares(candidates: list[Candidate], sizes: list[int], budget: int) -> list[Candidate]:
    """Buy with equal shares; raise the shares by 1 % while something fits; then fill."""
    share = Fraction(budget, sum(sizes))
    winners = purchases(candidates, sizes, share, budget)
    assert winners is not None  # the shares together are the budget
    percent = 100
    while any(c not in winners and c.cost <= budget - total(winners) for c in candidates):
        percent += 1
        more = purchases(candidates, sizes, share * percent / 100, budget)
        if more is None:
            break
        winners = more
    return fill(winners, candidates, budget)


def purchases(
    candidates: list[Candidate], sizes: list[int], share: Fraction, budget: int
) -> list[Candidate] | None:
    """What the voters buy, in order, if each starts with `share`; None if over the budget.

    The rho of a candidate is the smallest at which its supporters, each paying rho x cost or all
    they hold, together pay its cost. The candidate with the smallest rho is bought.

    Money is counted in coins of which `coins` make one unit of cost. Where a price is no whole
    number of coins, the coins are made smaller: as exact as fractions, and much faster.
    """
    coins = share.denominator
    held = [share.numerator] * len(sizes)  # by each voter of a group of equal ballots
    bought: list[Candidate] = []
    # Money only leaves the voters, so a candidate's rho never falls. The last rho found for it is
    # the least that it can be now, and who was too dear once stays too dear.
    least = {candidate.id: Fraction(0) for candidate in candidates}

    while True:
        best = None
        payable = [candidate for candidate in candidates if candidate.id in least]
        for candidate in sorted(payable, key=lambda c: least[c.id]):
            if best and least[candidate.id] > best[0][0]:
                break
            price = price_of(candidate, held, sizes, coins)
            if price is None:
                del least[candidate.id]
                continue
            owed, payers = price
            rho = least[candidate.id] = Fraction(owed, payers * coins * candidate.cost)
            rank = (rho, candidate.cost, -candidate.approvals, candidate.lot)
            if best is None or rank < best[0]:
                best = (rank, candidate, owed, payers)
        if best is None:
            return bought

        _, winner, owed, payers = best
        finer = payers // gcd(owed, payers)
        coins *= finer
        held = [amount * finer for amount in held]
        each = owed * finer // payers
        for group in winner.groups:
            held[group] -= min(held[group], each)
        bought.append(winner)
        del least[winner.id]
        if total(bought) > budget:
            return None


def price_of(
    candidate: Candidate, held: list[int], sizes: list[int], coins: int
) -> tuple[int, int] | None:
    """(owed, payers): a supporter pays owed / payers coins, or all they hold; None: too dear.

    From the poorest on: who cannot pay an equal part of what is owed pays all they hold.
    """
    owed = candidate.cost * coins
    payers = candidate.approvals
    for amount, group in sorted([(held[group], group) for group in candidate.groups]):
        if amount * payers >= owed:
            return owed, payers
        owed -= amount * sizes[group]
        payers -= sizes[group]
    return None


def greedy(candidates: list[Candidate], sizes: list[int], budget: int) -> list[Candidate]:
    return fill([], candidates, budget)


def fill(winners: list[Candidate], candidates: list[Candidate], budget: int) -> list[Candidate]:
    """The winners, and then whatever still fits, most approvals first."""
    filled = list(winners)
    for candidate in sorted(candidates, key=lambda c: (-c.approvals, c.cost, c.lot)):
        if candidate not in winners and candidate.cost <= budget - total(filled):
            filled.append(candidate)
    return filled


def phragmen(candidates: list[Candidate], sizes: list[int], budget: int) -> list[Candidate]:
    """Every voter earns 1 a unit of time; who can pay, buys, and starts again from 0.

    A voter who last paid at some moment holds now - moment, so the supporters of a candidate hold
    its cost at now = (cost + sum of their moments) / approvals.
    """
    moments = [Fraction(0)]  # the start, then when each purchase was made
    last = [0] * len(sizes)  # which of these moments counts for each voter of a group
    bought: list[Candidate] = []
    remaining = list(candidates)
    # A payment only moves a candidate's time back, so as above the last one found is the earliest.
    earliest = {candidate.id: Fraction(0) for candidate in candidates}
    while remaining:
        best = None
        for candidate in sorted(remaining, key=lambda c: earliest[c.id]):
            if best and earliest[candidate.id] > best[0][0]:
                break
            voters = [0] * len(moments)
            for group in candidate.groups:
                voters[last[group]] += sizes[group]
            earlier = (moments[place] * number for place, number in enumerate(voters))
            now = sum(earlier, Fraction(candidate.cost)) / candidate.approvals
            earliest[candidate.id] = now
            rank = (now, candidate.cost, -candidate.approvals, candidate.lot)
            if best is None or rank < best[0]:
                best = (rank, candidate)
        assert best is not None
        (now, *_), winner = best
        if winner.cost > budget - total(bought):
            break
        moments.append(now)
        for group in winner.groups:
            last[group] = len(moments) - 1
        bought.append(winner)
        remaining.remove(winner)
    return bought


def yes_or_no(election: dict[str, Any]) -> str:
    votes = Counter(election["ballots"])
    yes, no = votes["yes"], votes["no"]
    enough = len(election["ballots"]) >= election["quorum"]
    carried = yes + no > 0 and Fraction(yes, yes + no) > Fraction(election["threshold"])
    return "yes" if enough and carried else "no"


def total(candidates: list[Candidate]) -> int:
    return sum(candidate.cost for candidate in candidates)


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


# --- What an election must be ---------------------------------------------------------------------


def need(holds: bool, why: str) -> None:
    if not holds:
        raise Bad(why)


def is_text(value: object) -> bool:
    """Text that has a UTF-8 form: a JSON escape can also spell half a character."""
    return isinstance(value, str) and not re.search("[\ud800-\udfff]", value)


def is_texts(value: object) -> bool:
    return isinstance(value, list) and all(is_text(item) for item in value)


def is_whole(value: object, least: int) -> bool:
    return type(value) is int and value >= least  # True is an int too, but no number


def check(election: object) -> None:
    """Raises `Bad` if the election is not of the form 'mosaic-election-1'."""
    if not isinstance(election, dict):
        raise Bad("an election must be a JSON object.")
    need(election.get("format") == "mosaic-election-1", 'the format must be "mosaic-election-1".')
    rule = election.get("rule", "equal-shares")
    need(rule in RULES, f"the rule {rule!r} is none of {', '.join(RULES)}.")
    need(is_text(election.get("seed", "")), "the seed must be text.")
    need(isinstance(election.get("ballots"), list), "the ballots must be a list.")
    if rule == "yes-no":
        check_question(election)
    else:
        check_candidates(election)


def check_question(election: dict[str, Any]) -> None:
    threshold = election.get("threshold")
    fraction = "[0-9]{1,30}/0{0,9}[1-9][0-9]{0,29}"
    holds = isinstance(threshold, str) and re.fullmatch(fraction, threshold)
    need(bool(holds), 'the threshold must be a fraction such as "1/2".')
    need(is_whole(election.get("quorum"), 0), "the quorum must be a whole number.")
    for number, ballot in enumerate(election["ballots"], 1):
        need(ballot in ("yes", "no", "abstain"), f"ballot {number} is not yes, no or abstain.")


def check_candidates(election: dict[str, Any]) -> None:
    need(is_whole(election.get("budget"), 1), "the budget must be a whole number above 0.")
    need(type(election.get("floor", True)) is bool, "the floor must be true or false.")
    need(is_texts(election.get("without", [])), '"without" must be a list of ids.')
    need(isinstance(election.get("candidates"), list), "the candidates must be a list.")
    known = set()
    for number, entry in enumerate(election["candidates"], 1):
        need(isinstance(entry, dict), f"candidate {number} is not an object.")
        name = entry.get("id")
        need(is_text(name) and name != "", f"candidate {number}: the id must be text.")
        need(name not in known, f"candidate {number}: the id {name} stands twice.")
        whole = is_whole(entry.get("cost"), 1)
        need(whole, f"candidate {number}: the cost must be a whole number above 0.")
        known.add(name)
    known |= set(election.get("without", []))
    for number, ballot in enumerate(election["ballots"], 1):
        need(is_texts(ballot), f"ballot {number} is not a list of ids.")
        check_ballot(ballot, known, f"ballot {number}")


def check_ballot(ballot: list[str], known: Container[str], where: str) -> None:
    need(len(set(ballot)) == len(ballot), f"{where} approves a candidate twice.")
    for name in ballot:
        need(name in known, f"{where} approves {name}, which is no candidate.")


# --- Files ----------------------------------------------------------------------------------------


def read(path: Path, understand: Callable[[str], Read]) -> Read:
    """The file as `understand` takes it. What goes wrong is said with the file's name."""
    try:
        content = path.read_bytes()
        return understand(content.decode("utf-8-sig"))
    except OSError as error:
        raise Bad(f"{path}: {error.strerror}.") from None
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise Bad(f"{path}: line {line}: not UTF-8.") from None
    except (Bad, Failed) as error:
        raise type(error)(f"{path}: {error}") from None


def read_election(path: Path, rule: str | None) -> Any:
    def understand(text: str) -> Any:
        election = pabulib(text) if path.suffix.lower() == ".pb" else parse(text)
        if rule and isinstance(election, dict):
            election["rule"] = rule
        check(election)
        if "published" in election:
            winners_in(election["published"])
        return election

    return read(path, understand)


def parse(text: str, line: int | None = None) -> Any:
    """JSON. `line`: where the text stands, if it is a single line of a file."""
    try:
        return json.loads(text, object_pairs_hook=each_key_once)
    except json.JSONDecodeError as error:
        raise Bad(f"line {line or error.lineno}: not JSON: {error.msg}.") from None
    except Bad as error:
        raise Bad(f"line {line}: {error}" if line else str(error)) from None
    except (ValueError, RecursionError):
        where = f"line {line}: " if line else ""
        raise Bad(f"{where}not JSON that can be read: too long a number, or too deep.") from None


def each_key_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    keys = Counter(key for key, _ in pairs)
    for key, times in keys.items():
        need(times == 1, f"the key {key!r} stands twice in one object.")
    return dict(pairs)


COLUMNS = {"META": ["key", "value"], "PROJECTS": ["project_id", "cost"], "VOTES": ["vote"]}
CITIES = ("unknown", "equalshares", "equalshares/add1")  # rules in Pabulib's words: our default


def pabulib(text: str) -> dict[str, Any]:
    """An election from a .pb file."""
    meta: dict[str, str] = {}
    costs: dict[str, Fraction] = {}
    votes: list[tuple[str, list[str]]] = []
    for where, section, row in pabulib_rows(text):
        if section == "META":
            need(row["key"] not in meta, f"{where}: {row['key']} stands twice.")
            meta[row["key"]] = row["value"]
        elif section == "PROJECTS":
            name = row["project_id"]
            need(name != "" and name not in costs, f"{where}: no id, or one used before.")
            costs[name] = decimal(row["cost"], f"{where}: the cost")
        else:
            votes.append((f"{where}: the vote", ids(row["vote"])))

    without = ids(meta.get("without", ""))
    for where, ballot in votes:
        check_ballot(ballot, costs.keys() | without, where)
    need(meta.get("vote_type") == "approval", "META: the vote_type must be approval.")
    need(meta.get("floor", "1") in ("0", "1"), "META: the floor must be 0 or 1.")
    rule = meta.get("rule", "equal-shares")
    budget = decimal(meta.get("budget", ""), "META: the budget")
    scale = 1
    while any((amount * scale).denominator > 1 for amount in [budget, *costs.values()]):
        scale *= 10
    return {
        "format": "mosaic-election-1",
        "rule": "equal-shares" if rule in CITIES else rule,
        "seed": meta.get("lot_seed", ""),
        "candidates": [{"id": name, "cost": int(cost * scale)} for name, cost in costs.items()],
        "without": without,
        "ballots": [ballot for _, ballot in votes],
        "budget": int(budget * scale),
        "floor": meta.get("floor", "1") == "1",
    }


def pabulib_rows(text: str) -> Iterator[tuple[str, str, dict[str, str]]]:
    """(line, section, fields by column): each section begins with its name and its columns."""
    missing = list(COLUMNS)
    section, header = "", None
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=";", strict=True)
    try:
        for row in rows:
            fields = [field.strip() for field in row]
            where = f"line {rows.line_num}"
            if not any(fields):
                continue
            if len(fields) == 1 and fields[0].upper() in COLUMNS:
                section, header = fields[0].upper(), None
                need(section in missing, f"{where}: {section} stands twice.")
                missing.remove(section)
            elif section == "":
                raise Bad(f"{where}: a file must begin with META.")
            elif header is None:
                header = fields
                for column in COLUMNS[section]:
                    need(column in header, f"{where}: {section} has no column {column}.")
            else:
                number = f"{len(fields)} fields, but {len(header)} columns"
                need(len(fields) == len(header), f"{where}: {number}.")
                yield where, section, {c: fields[place] for place, c in enumerate(header)}
    except csv.Error as error:
        raise Bad(f"line {rows.line_num}: {error}.") from None
    need(missing == [], f"the section {', '.join(missing)} is missing.")


def decimal(text: str, what: str) -> Fraction:
    is_decimal = re.fullmatch(r"[0-9]{1,30}(\.[0-9]{1,30})?", text)
    need(bool(is_decimal), f"{what} is no number: {text!r}.")
    need(Fraction(text) > 0, f"{what} must be above 0.")
    return Fraction(text)


def ids(text: str) -> list[str]:
    return [name.strip() for name in text.split(",")] if text else []


# --- The published result -------------------------------------------------------------------------


def winners_in(published: object) -> list[str]:
    """The ids of a published result: a list, or an object with "winners"; each an id or {"id"}."""
    if isinstance(published, dict):
        published = published.get("winners")
    if not isinstance(published, list):
        raise Bad('a published result must be a list of ids, or an object with "winners".')
    names: list[Any] = [e.get("id") if isinstance(e, dict) else e for e in published]
    need(is_texts(names), "a published winner has no id.")
    return names


def compare(published: list[str], counted: list[str]) -> None:
    for place in range(max(len(published), len(counted))):
        theirs = published[place] if place < len(published) else "nobody"
        ours = counted[place] if place < len(counted) else "nobody"
        if theirs != ours:
            raise Failed(f"winner {place + 1}: published is {theirs}, the recount says {ours}.")


# --- The ballot box -------------------------------------------------------------------------------


class Box(NamedTuple):
    entries: int
    electors: int
    live: set[str]  # the receipt of each voter's last ballot


def box(text: str) -> Box:
    """Follows the chain from its first entry. Raises `Failed` where a link does not hold."""
    lines = text.rstrip("\n").split("\n")
    kinds = ["setup", "cast", "close", "result"]
    previous, stage, electors = "0" * 64, 0, 0
    live: dict[str, str] = {}
    for position, line in enumerate(lines):
        where = f"line {position + 1}"
        entry = parse(line, position + 1)
        need(isinstance(entry, dict), f"{where}: not a JSON object.")
        for key in ("kind", "payload", "previous", "hash"):
            need(is_text(entry.get(key)), f"{where}: {key} must be text.")
        need(entry["kind"] in kinds, f"{where}: the kind is none of {', '.join(kinds)}.")
        need(is_whole(entry.get("position"), 0), f"{where}: the position must be a whole number.")

        if entry["position"] != position:
            raise Failed(f"{where}: position {entry['position']} where {position} is due.")
        if entry["previous"] != previous:
            raise Failed(f"{where}: does not follow the entry before it.")
        linked = f"{previous}\n{position}\n{entry['kind']}\n{entry['payload']}"
        if entry["hash"] != sha256(linked):
            raise Failed(f"{where}: the entry was changed: its hash is not that of its content.")
        previous = entry["hash"]

        kind = entry["kind"]
        if (position == 0) != (kind == "setup") or kinds.index(kind) < stage:
            raise Failed(
                f"{where}: a {kind} is not due here; first setup, then cast, close, result."
            )
        stage = kinds.index(kind)
        if kind in ("setup", "cast"):
            payload = parse(entry["payload"], position + 1)
            need(isinstance(payload, dict), f"{where}: the payload is not a JSON object.")
            if kind == "setup":
                electors = payload.get("electors")
                need(is_whole(electors, 0), f"{where}: electors must be a whole number.")
            else:
                voter, receipt = payload.get("voter"), payload.get("receipt")
                need(is_text(voter) and is_text(receipt), f"{where}: no voter or no receipt.")
                live[voter] = receipt  # a later ballot replaces the earlier one
    if len(live) > electors:
        raise Failed(f"{len(live)} voters have cast a ballot, but there are {electors} electors.")
    for receipt, times in Counter(live.values()).items():
        if times > 1:
            raise Failed(f"{times} voters have the same receipt {receipt}.")
    return Box(len(lines), electors, set(live.values()))


def openings(text: str) -> dict[str, dict[str, Any]]:
    """What each opened ballot says, by receipt. Raises `Failed` where one does not fit."""
    listed = parse(text)
    need(isinstance(listed, list), "the openings must be a list.")
    opened = {}
    for number, entry in enumerate(listed, 1):
        where = f"opening {number}"
        need(isinstance(entry, dict), f"{where} is not an object.")
        for key in ("receipt", "nonce", "ballot"):
            need(is_text(entry.get(key)), f"{where}: {key} must be text.")
        receipt = entry["receipt"]
        if receipt != sha256(entry["nonce"] + entry["ballot"]):
            raise Failed(f"{where}: the receipt {receipt} does not belong to this ballot.")
        if receipt in opened:
            raise Failed(f"{where}: the receipt {receipt} is opened twice.")
        try:
            ballot = parse(entry["ballot"])
        except Bad:
            raise Bad(f"{where}: the ballot is not JSON.") from None
        need(isinstance(ballot, dict), f"{where}: the ballot is not a JSON object.")
        need(is_texts(ballot.get("approve")), f"{where}: approve must be a list of ids.")
        need(isinstance(ballot.get("answers", {}), dict), f"{where}: answers must be an object.")
        opened[receipt] = ballot
    return opened


def check_all_opened(live: set[str], opened: dict[str, Any]) -> None:
    for receipt in sorted(live):
        if receipt not in opened:
            raise Failed(f"the counted ballot {receipt} is missing from the openings.")
    for receipt in opened:
        if receipt not in live:
            raise Failed(f"the opened ballot {receipt} is not among those that count.")


def check_same_ballots(opened: dict[str, dict[str, Any]], election: dict[str, Any]) -> None:
    """That the election counts what the box holds: approvals, or answers to its `question`."""
    if election.get("rule") == "yes-no":
        asked = election.get("question")
        need(is_text(asked), "a yes-no election must name its question to be compared.")
        answers = (ballot.get("answers", {}).get(asked) for ballot in opened.values())
        box_ballots = Counter((answer,) for answer in answers if answer)
        ballots = Counter((answer,) for answer in election["ballots"])
    else:
        box_ballots = Counter(tuple(sorted(ballot["approve"])) for ballot in opened.values())
        ballots = Counter(tuple(sorted(ballot)) for ballot in election["ballots"])
    for ballot in sorted(box_ballots | ballots):
        if box_ballots[ballot] != ballots[ballot]:
            raise Failed(
                f"the ballot {list(ballot)} is {box_ballots[ballot]} times in the box, "
                f"{ballots[ballot]} times in the election."
            )


# --- The command ----------------------------------------------------------------------------------


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description="Count an election again and check its box.")
    parser.add_argument("election", type=Path, nargs="?", help="JSON, or Pabulib .pb")
    parser.add_argument("--rule", choices=RULES, help="count by this rule, not by the file's")
    parser.add_argument("--published", type=Path, help="JSON: a result to compare with")
    parser.add_argument("--chain", type=Path, help="JSON Lines: the ballot box")
    parser.add_argument("--openings", type=Path, help="JSON: the opened ballots of the box")
    given = parser.parse_args(arguments)
    if not given.election and not given.chain:
        parser.error("name an election, or a ballot box with --chain.")
    if given.openings and not given.chain:
        parser.error("--openings needs --chain.")
    if given.published and not given.election:
        parser.error("--published needs an election.")
    try:
        election = read_election(given.election, given.rule) if given.election else None
        if given.published:
            published = read(given.published, lambda text: winners_in(parse(text)))
        elif election is not None and "published" in election:
            published = winners_in(election["published"])
        else:
            published = None
        if given.chain:
            check_box(given.chain, given.openings, election)
        if election is not None:
            counted = recount(election)
            print(*counted, sep="\n", end="\n" if counted else "")
            if published is not None:
                compare(published, counted)
                print("The published result is confirmed.", file=sys.stderr)
    except (Bad, Failed) as error:
        print(error, file=sys.stderr)
        return 2 if isinstance(error, Bad) else 1
    return 0


def check_box(chain: Path, opened_in: Path | None, election: dict[str, Any] | None) -> None:
    """Prints one line for each statement, once it is proven."""
    entries, electors, live = read(chain, box)
    print(f"chain intact: {entries} entries")
    print(f"ballots that count: {len(live)}, of {electors} electors")
    if opened_in is None:
        return
    opened = read(opened_in, openings)
    print(f"openings fit their receipts: {len(opened)}")
    check_all_opened(live, opened)
    print("every ballot that counts is opened, and no other")
    if election is not None:
        check_same_ballots(opened, election)
        print(f"the election counts exactly these ballots: {len(opened)}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
