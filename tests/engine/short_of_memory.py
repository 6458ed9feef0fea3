"""Trains in a process that may take only so much memory: `python -m tests.engine.short_of_memory
BASE OUT MIB`. Prints the losses and what it was told, as JSON. 0 MiB: as much as it likes."""

import json
import resource
import sys
from pathlib import Path

from training_workers.engine.bases import load_base
from training_workers.engine.data import Example
from training_workers.engine.training import Recipe, train_adapter

ROWS = [
    Example(f"tell of ball {number}", " ".join(f"red{(number * step) % 9}" for step in range(30)))
    for number in range(256)
]
RECIPE = Recipe(rank=4, alpha=8, batch_size=256, passes=2, max_tokens=None)


def main(source: str, out: Path, mib: int) -> None:
    base = load_base(source, device="cpu")
    told: list[int] = []

    def train(rows: list[Example], name: str) -> list[tuple[int, float]]:
        return train_adapter(
            base, rows, RECIPE, out=out / name, work=out / f"{name}.work",
            on_progress=lambda progress: None, should_stop=lambda: False,
            on_less_memory=told.append,
        ).losses  # fmt: skip

    train(ROWS[:2], "first")  # whatever is loaded only once is loaded now
    if mib:
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        most = pages * resource.getpagesize() + mib * 2**20
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
    print(json.dumps({"losses": train(ROWS, "second"), "told": told}))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
