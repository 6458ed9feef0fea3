"""The engine from the command line: build `pocket`, or train an adapter at home."""

import argparse
import sys
from pathlib import Path

import torch

from training_workers.engine.base_facts import POCKET, BaseError
from training_workers.engine.bases import load_base
from training_workers.engine.build_pocket import build, report_to_terminal
from training_workers.engine.data import read_examples
from training_workers.engine.training import Progress, Recipe, TrainingError, train_adapter


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="python -m training_workers.engine", description=__doc__)
    commands = top.add_subparsers(dest="command", required=True)
    pocket = commands.add_parser("pocket", help="build the shipped base from its own corpus")
    pocket.add_argument("--out", type=Path, required=True)
    train = commands.add_parser("train", help="train an adapter on JSONL of prompt, completion")
    train.add_argument("data", type=Path)
    train.add_argument("--out", type=Path, required=True)
    train.add_argument("--base", default=str(POCKET), help="folder or Hub id (default: pocket)")
    train.add_argument("--seed", type=int, default=0)
    for command in (pocket, train):
        command.add_argument("--threads", type=int, default=torch.get_num_threads())
    return top


def show(progress: Progress) -> None:
    print(
        f"\rstep {progress.step}/{progress.steps}  loss {progress.loss:.3f}  "
        f"{progress.tokens_per_second:.0f} tokens/s  {progress.seconds_left:.0f} s left ",
        end="",
        file=sys.stderr,
    )


def main(arguments: list[str] | None = None) -> int:
    given = parser().parse_args(arguments)
    if given.command == "pocket":
        torch.set_num_threads(given.threads)
        build(given.out, on_step=report_to_terminal())
        return 0
    try:
        trained = train_adapter(
            load_base(given.base),
            read_examples(given.data),
            Recipe(seed=given.seed),
            out=given.out,
            work=given.out / "work",
            on_progress=show,
            should_stop=lambda: False,
            threads=given.threads,
        )
    except (BaseError, TrainingError, ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"\n{given.out}: {trained.size_bytes} bytes, sha256 {trained.sha256}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
