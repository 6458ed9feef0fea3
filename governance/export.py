"""What anybody may take away of a round, to count and check it elsewhere."""

import csv
import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from governance import access, recount
from governance.actions.counting import expert_election, question_election
from governance.models import Decision, Round
from governance.tally import pabulib
from governance.tally.election import Election

HOW_TO_CHECK = """How to check this round with nothing but Python
===============================================

    python recount.py election.json
    python recount.py election.json --chain chain.jsonl --openings openings.json

The first line counts the ballots again and compares the winners with the published ones. The
second also proves that no entry of the ballot box was changed or left out, that every ballot that
counts was opened, that each was counted once, and that there are no more of them than electors.
question-N.json is checked like election.json. recount.py needs no package and no network; it
was written apart from the site's own count. What is not promised stands in docs/governance.md,
which comes with the source of the site.

With fewer than 10 ballots no single ballot is published (too few to hide in): then there are
totals.json and the chain, and no election.json and no openings.json.
"""

BY_BALLOT = ("spent_fractions", "winners_approved")
"""What a result says of each ballot, in the order of the receipts."""


def chain_lines(round_: Round) -> Iterator[str]:
    """The ballot box as it is public now, one JSON object a line."""
    shown = round_.box_entries.filter(position__lt=round_.box.public_length)
    for entry in shown.order_by("position").iterator():
        yield json.dumps(entry.line(), ensure_ascii=False) + "\n"


def files(round_: Round) -> dict[str, str]:
    """Everything of a round that is over, by file name."""
    found = {
        "README.txt": HOW_TO_CHECK,
        "recount.py": Path(recount.__file__).read_text("utf-8"),
        "chain.jsonl": "".join(chain_lines(round_)),
        "electors.json": _json(sorted(one.public_id for one in round_.electors.all())),
    }
    decision, public = round_.outcome, access.openings_are_public(round_)
    if decision is not None:
        found["decisions.json"] = _json(
            [told(one, public=public) for one in round_.decisions.all()]
        )
    if public:
        found |= _ballots(round_)
    else:
        found["totals.json"] = _json(totals(round_))
    return found


def archive(round_: Round) -> bytes:
    """All files in one zip."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, text in files(round_).items():
            packed.writestr(zipfile.ZipInfo(f"round-{round_.pk}/{name}"), text)
    return stream.getvalue()


def totals(round_: Round) -> dict[str, Any]:
    """Approvals by candidate and answers by question: all that is published of few ballots."""
    approvals = {str(pk): 0 for pk in round_.candidates.values_list("pk", flat=True)}
    answers: dict[str, dict[str, int]] = {}
    ballots = list(round_.ballots.all())
    for ballot in ballots:
        for pk in ballot.approvals:
            approvals[str(pk)] += 1
        for question, said in ballot.answers.items():
            counted = answers.setdefault(str(question), {})
            counted[said] = counted.get(said, 0) + 1
    return {"ballots": len(ballots), "approvals": approvals, "answers": answers}


def _ballots(round_: Round) -> dict[str, str]:
    ballots = list(round_.ballots.order_by("receipt"))
    openings = [
        {"receipt": one.receipt, "nonce": one.nonce, "ballot": one.content} for one in ballots
    ]
    table = io.StringIO()
    rows = csv.writer(table, lineterminator="\n")
    rows.writerow(["receipt", "approvals"])
    rows.writerows([one.receipt, " ".join(map(str, sorted(one.approvals)))] for one in ballots)
    found = {"openings.json": _json(openings), "ballots.csv": table.getvalue()}
    decision = round_.outcome
    if decision is None:
        return found
    without = [str(one["candidate"]) for one in decision.without]
    election = expert_election(round_, ballots, without)
    found["election.json"] = _json(election | {"published": decision.recount})
    found["election.pb"] = pabulib.write(Election.from_dict(election))
    results = {int(one["id"]): one["recount"] for one in decision.questions}
    for question in round_.questions.all():
        asked = question_election(question, ballots) | {"published": results[question.pk]}
        found[f"question-{question.pk}.json"] = _json(asked)
    return found


def told(decision: Decision, *, public: bool) -> dict[str, Any]:
    """A decision as it stands; without what it says ballot by ballot unless ballots are public."""
    result = {
        key: value for key, value in decision.result.items() if public or key not in BY_BALLOT
    }
    return {
        "tally": decision.number,
        "stands": decision.stands,
        "result": result,
        "recount": decision.recount,
        "questions": decision.questions,
        "without": decision.without,
        "groups": decision.groups,
        "more_supporters": decision.more_supporters,
    }


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=1) + "\n"
