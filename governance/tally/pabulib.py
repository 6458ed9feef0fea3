"""Pabulib files (https://pabulib.org/format): approval elections, in and out.

Three sections, META, PROJECTS and VOTES, each a table with `;` between the columns and a first line
that names them. Our own META keys: `rule`, `lot_seed`, `floor` (1 or 0) and `without` (ids).
"""

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from math import lcm

from governance.tally.election import RULES, Candidate, Election
from governance.tally.errors import BadElection

# What cities write who count by a rule of their own. Here it is counted by the default.
_ELSEWHERE = ("", "unknown", "equalshares", "equalshares/add1")
_NEEDED = {
    "META": ("key", "value"),
    "PROJECTS": ("project_id", "cost"),
    "VOTES": ("voter_id", "vote"),
}


class _Row(dict[str, str]):
    """One line of a table by column; what can be said against it names the line."""

    def __init__(self, cells: Mapping[str, str], file: str, line: int) -> None:
        super().__init__(cells)
        self._file, self._line = file, line

    def bad(self, column: str, why: str, remedy: str) -> BadElection:
        return BadElection(why, remedy, file=self._file, line=self._line, column=column)


def read(text: str, file: str = "") -> Election:
    """Costs and budget may be decimals: all are scaled by the same power of ten until whole.

    Raises BadElection with the line and the column.
    """
    tables = _tables(text, file)
    meta = {row["key"].strip().lower(): row for row in tables["META"]}
    if "budget" not in meta:
        raise BadElection("META has no budget", "Add a line 'budget;NUMBER'.", file=file)
    if (kind := _value(meta, "vote_type", "approval")) != "approval":
        raise meta["vote_type"].bad(
            "value", f"the vote_type is {kind!r}", "Only approval elections can be counted."
        )
    rule = _value(meta, "rule", "")
    if rule not in RULES + _ELSEWHERE:
        raise meta["rule"].bad(
            "value", f"the rule {rule!r} is unknown", f"Write one of {', '.join(RULES)}."
        )
    floor = _value(meta, "floor", "1")
    if floor not in ("0", "1"):
        raise meta["floor"].bad("value", f"the floor is {floor!r}", "Write 1 (yes) or 0 (no).")

    budget = _amount(meta["budget"], "value")
    costs: dict[str, Fraction] = {}
    for row in tables["PROJECTS"]:
        name = row["project_id"].strip()
        if not name or name in costs:
            why = f"the project {name} stands here twice" if name else "the project has no id"
            raise row.bad("project_id", why, "Give each project an id of its own.")
        costs[name] = _amount(row, "cost")
    without = frozenset(_names(_value(meta, "without", "")))
    ballots = []
    for row in tables["VOTES"]:
        ballot = frozenset(_names(row["vote"]))
        if unknown := sorted(ballot - costs.keys() - without):
            raise row.bad(
                "vote", f"there is no project {unknown[0]}", "Correct the vote, or add the project."
            )
        ballots.append(ballot)

    scale = _power_of_ten((budget, *costs.values()))
    return Election(
        candidates=tuple(Candidate(name, int(cost * scale)) for name, cost in costs.items()),
        ballots=tuple(ballots),
        budget=int(budget * scale),
        seed=_value(meta, "lot_seed", ""),
        floor=floor == "1",
        rule=rule if rule in RULES else "equal-shares",
        without=without,
    )


def write(election: Election, description: str = "An election of experts") -> str:
    """The text of a `.pb` file that reads as the same election, in whole units.

    Raises ValueError for texts that the format cannot hold: with commas, semicolons,
    quotes, line breaks, or spaces at an end.
    """
    texts = (description, election.seed, *election.without, *(c.id for c in election.candidates))
    for text in texts:
        if text != text.strip() or re.search(r"[,;\"\0]", text) or len(text.splitlines()) > 1:
            raise ValueError(f"a Pabulib file cannot hold the text {text!r}")
    rows: list[Sequence[object]] = [
        ["META"],
        ["key", "value"],
        ["description", description],
        ["num_projects", len(election.candidates)],
        ["num_votes", len(election.ballots)],
        ["budget", election.budget],
        ["vote_type", "approval"],
        ["rule", election.rule],
        ["lot_seed", election.seed],
        ["floor", int(election.floor)],
        ["without", ",".join(sorted(election.without))],
        ["PROJECTS"],
        ["project_id", "cost"],
        *([candidate.id, candidate.cost] for candidate in election.candidates),
        ["VOTES"],
        ["voter_id", "vote"],
        *([n, ",".join(sorted(vote))] for n, vote in enumerate(election.ballots, start=1)),
    ]
    out = io.StringIO()
    csv.writer(out, delimiter=";", lineterminator="\n").writerows(rows)
    return out.getvalue()


def _tables(text: str, file: str) -> dict[str, list[_Row]]:
    tables: dict[str, list[_Row]] = {}
    rows: list[_Row] = []
    section, header = "", list[str]()
    for line, cells in _lines(text, file):
        name = cells[0].strip().upper()
        if len(cells) == 1 and name in _NEEDED:
            section, header = name, []
            rows = tables.setdefault(section, [])
        elif not section:
            raise BadElection(
                "a section must begin first", "Begin with a line 'META'.", file=file, line=line
            )
        elif not header:
            header = [cell.strip().lower() for cell in cells]
            for column in _NEEDED[section]:
                if column not in header:
                    raise BadElection(
                        f"{section} has no column {column!r}",
                        f"The line after {section} must name it.",
                        file=file, line=line,
                    )  # fmt: skip
        else:
            row = _Row(dict(zip(header, cells, strict=False)), file, line)
            for column in _NEEDED[section]:
                if column not in row:
                    raise row.bad(column, "the line ends too soon", "Fill in this column.")
            rows.append(row)
    for section in _NEEDED:
        if section not in tables:
            raise BadElection(
                f"the section {section} is missing", "Add it, as pabulib.org/format has it.",
                file=file,
            )  # fmt: skip
    return tables


def _lines(text: str, file: str) -> Iterator[tuple[int, list[str]]]:
    """The cells of each line that holds something; lines count from 1."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=";")
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield reader.line_num, cells
    except csv.Error as error:
        raise BadElection(
            f"it is no table: {error}", "Check its quotes.", file=file, line=reader.line_num
        ) from error


def _value(meta: Mapping[str, _Row], key: str, default: str) -> str:
    return meta[key]["value"].strip() if key in meta else default


def _names(cell: str) -> list[str]:
    return [name.strip() for name in cell.split(",") if name.strip()]


def _amount(row: _Row, column: str) -> Fraction:
    text = row[column].strip()
    if not re.fullmatch(r"[0-9]{1,300}(\.[0-9]{1,300})?", text) or not Fraction(text):
        raise row.bad(
            column, f"{text!r} is no positive number", "Write it in digits, like 12 or 12.50."
        )
    return Fraction(text)


def _power_of_ten(amounts: Iterable[Fraction]) -> int:
    """The smallest that makes all of them, decimals, whole."""
    power, common = 1, lcm(*(amount.denominator for amount in amounts))
    while power % common:
        power *= 10
    return power
