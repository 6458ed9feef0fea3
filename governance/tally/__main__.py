"""`python -m governance.tally FILE` prints the ids of the winners, one a line, in order."""

import argparse
import json
from pathlib import Path

from governance.tally.canonical import by_rule, read, tally
from governance.tally.election import RULES
from governance.tally.errors import BadElection


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m governance.tally", description=__doc__)
    parser.add_argument("file", type=Path, help="an election: canonical JSON, or Pabulib .pb")
    parser.add_argument(
        "--rule", choices=(*RULES, "yes-no"), help="count by this rule instead of the file's own"
    )
    parser.add_argument("--json", action="store_true", help="print the whole result as JSON")
    given = parser.parse_args()
    try:
        election = read(given.file)
        result = tally(by_rule(election, given.rule, str(given.file)) if given.rule else election)
    except BadElection as error:
        parser.exit(2, f"{error}\n")
    if given.json:
        print(json.dumps(result.to_dict(), ensure_ascii=False, indent=1))
    else:
        for winner in result.winner_ids:
            print(winner)


if __name__ == "__main__":
    main()
