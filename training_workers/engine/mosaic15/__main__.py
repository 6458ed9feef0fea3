"""Mosaic-15 from the command line: `python -m training_workers.engine.mosaic15 --out FOLDER`.

Every part of every seed is a file in the folder; what is there is not measured again. With
`--wordings fresh` the trained models that are there are tested on other words.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from training_workers.engine.mosaic15.experiment import PARTS, SEEDS, measure_all
from training_workers.engine.mosaic15.summary import text
from training_workers.engine.mosaic15.wordings import FRESH, TEST


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m training_workers.engine.mosaic15", description=__doc__
    )
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=list(SEEDS))
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--wordings", choices=(TEST, FRESH), default=TEST)
    given = parser.parse_args(arguments)
    results = measure_all(given.out, given.seeds, given.parts, given.processes, given.wordings)
    print(text(results))
    return 0


if __name__ == "__main__":
    sys.exit(main())
