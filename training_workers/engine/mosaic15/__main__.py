"""Mosaic-15 from the command line: `python -m training_workers.engine.mosaic15 --out FOLDER`.

Every part of every seed is a file in the folder; what is there is not measured again.
"""

import argparse
import sys
from pathlib import Path

from training_workers.engine.mosaic15.experiment import PARTS, SEEDS, measure_all
from training_workers.engine.mosaic15.summary import text


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m training_workers.engine.mosaic15", description=__doc__
    )
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=list(SEEDS))
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--processes", type=int, default=2)
    given = parser.parse_args()
    print(text(measure_all(given.out, given.seeds, given.parts, given.processes)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
