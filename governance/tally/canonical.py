"""Files and JSON in, results out: the one place where an election of any rule is read."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from governance.tally import pabulib
from governance.tally.election import Election
from governance.tally.errors import BadElection
from governance.tally.result import Result
from governance.tally.rules import RULES
from governance.tally.yes_no import Answer, Question, yes_no

_REMEDY = "Correct the file, or export the election anew."


def election_from_dict(data: Any) -> Election | Question:
    """The canonical JSON, read already. Raises ValueError, saying why it is no election."""
    if not isinstance(data, Mapping):
        raise ValueError("an election is an object with candidates, ballots and a budget")
    return (Question if data.get("rule") == "yes-no" else Election).from_dict(data)


def election_from_json(text: str, file: str = "") -> Election | Question:
    """The canonical JSON. Raises BadElection, which names the `file`."""
    try:
        return election_from_dict(json.loads(text))
    except json.JSONDecodeError as error:
        raise BadElection(
            f"it is not JSON: {error.msg}", _REMEDY,
            file=file, line=error.lineno, column=str(error.colno),
        ) from error  # fmt: skip
    except ValueError as error:
        raise BadElection(str(error), _REMEDY, file=file) from error
    except RecursionError as error:
        raise BadElection("it is nested too deeply", _REMEDY, file=file) from error


def election_to_json(election: Election | Question) -> str:
    """Canonical: equal elections give equal texts."""
    return json.dumps(election.to_dict(), ensure_ascii=False, indent=1) + "\n"


def read(path: Path) -> Election | Question:
    """An election from a `.json` or a Pabulib `.pb` file. Raises BadElection."""
    try:
        text = path.read_text("utf-8-sig")
    except OSError as error:
        raise BadElection(
            f"it cannot be read: {error.strerror}", "Check the path.", file=str(path)
        ) from error
    except UnicodeDecodeError as error:
        raise BadElection("it is not UTF-8", "Save it as UTF-8.", file=str(path)) from error
    if path.suffix.lower() == ".pb":
        return pabulib.read(text, file=str(path))
    return election_from_json(text, file=str(path))


def tally(election: Election | Question) -> Result | Answer:
    """Count by the election's own rule."""
    return yes_no(election) if isinstance(election, Question) else RULES[election.rule](election)


def count(data: Mapping[str, Any]) -> dict[str, Any]:
    """From the canonical JSON of an election to the canonical JSON of its result."""
    return tally(election_from_dict(data)).to_dict()


def by_rule(election: Election | Question, rule: str, file: str = "") -> Election | Question:
    """The same election, counted by another rule. Raises BadElection where it has no meaning."""
    if rule == ("yes-no" if isinstance(election, Question) else election.rule):
        return election
    if isinstance(election, Question) or rule not in RULES:
        raise BadElection(
            f"the rule {rule} does not fit it",
            "A yes/no question is counted by yes-no alone, and nothing else is.",
            file=file,
        )
    return replace(election, rule=rule)
