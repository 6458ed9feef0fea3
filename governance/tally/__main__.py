"""`python -m governance.tally FILE.json` prints the ids of the winners, one a line."""

import argparse
import json
from pathlib import Path

from governance.tally.decide import decide
from governance.tally.election import Election


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m governance.tally", description=__doc__)
    parser.add_argument("file", type=Path, help="an election as JSON, as Election.to_dict has it")
    path: Path = parser.parse_args().file
    try:
        election = Election.from_dict(json.loads(path.read_text("utf-8")))
    except (OSError, KeyError, TypeError, ValueError) as error:
        parser.error(f"{path} is not an election: {error!r}")
    for winner in decide(election).winners:
        print(winner)


if __name__ == "__main__":
    main()
