"""The engine from the command line: train experts, compose them, measure what they can do."""

import argparse
import json
import shutil
import sys
from argparse import Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from training_workers.engine.adapters import AdapterError, read_adapter
from training_workers.engine.base_facts import POCKET, BaseError
from training_workers.engine.bases import Base, load_base
from training_workers.engine.build_pocket import build, report_to_terminal
from training_workers.engine.card import write_card
from training_workers.engine.composing import SEES, Candidate, choose
from training_workers.engine.data import read_examples
from training_workers.engine.devtable import DevTable
from training_workers.engine.evaluating import MOST_NEW_TOKENS, evaluate, new_tokens
from training_workers.engine.measuring import Rivals, Subject, measure
from training_workers.engine.pool import BASE, ExpertPool, Sampling
from training_workers.engine.profiles import Profile, profile_of
from training_workers.engine.release_folder import read_release, write_release
from training_workers.engine.release_manifest import About, ReleaseError, base_of, read_manifest
from training_workers.engine.resampling import wilson
from training_workers.engine.scoring import Item, scored
from training_workers.engine.strategies import STRATEGIES, Dev, Strategy
from training_workers.engine.strategies.strategy import answer, settle, stream
from training_workers.engine.tasks import PARTS, Items, read_items
from training_workers.engine.training import Progress, Recipe, TrainingError, train_adapter
from training_workers.engine.tuning import tune_router

PROFILE = "profile.json"
CREATED_BY = "python -m training_workers.engine compose"
ITEMS_HELP = "JSON Lines of prompt and answer, or a .json task of the MoCo toolkit"
BASE_HELP = "folder or Hub id of the base (default: %(default)s)"
RECIPE_HELP = {
    "rank": "of the adapter; its alpha is twice as much",
    "passes": "over the data, at most",
    "max-tokens": "read, at most",
    "learning-rate": "at its highest",
    "seed": "the same seed and data give the same adapter",
}
RELEASE_BASE_HELP = "the base, if it is not where the release says"
TRAINED_CONTROLS = ("monolith", "monolith_wide", "sequential")


class CommandError(Exception):
    """What was asked for cannot be done; the message says why."""


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="python -m training_workers.engine", description=__doc__)
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(
        name: str, run: Any, text: str, threads: int = torch.get_num_threads()
    ) -> argparse.ArgumentParser:
        one = commands.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
        one.set_defaults(run=run)
        one.add_argument("--threads", type=int, default=threads, metavar="N",
                         help="CPU threads (default: %(default)s)")  # fmt: skip
        return one

    one = command("pocket", _pocket, "build the shipped base from its own corpus")
    one.add_argument("--out", type=Path, required=True, help="the folder to write")

    # One thread, as the workers: sums of several are rounded in another order.
    one = command("train", _train, "train an expert as a worker does, without a server", threads=1)
    one.add_argument("--data", type=Path, required=True,
                     help='JSON Lines of {"prompt": ..., "completion": ...}')  # fmt: skip
    one.add_argument("--out", type=Path, required=True, help="the folder to write the adapter to")
    one.add_argument("--base", default="pocket", help=BASE_HELP)
    for name, text in RECIPE_HELP.items():
        one.add_argument(f"--{name}", type=json.loads, metavar="N", help=text)
    one.add_argument("--licence", default="", help="SPDX identifier, for the card")
    one.add_argument("--no-profile", action="store_true",
                     help=f"write no {PROFILE}, which tells the words of the prompts")  # fmt: skip

    one = command("evaluate", _evaluate, "score a base and experts on items")
    _add_experts(one)
    one.add_argument("--part", choices=PARTS, default="test", help="(default: %(default)s)")
    one.add_argument("--json", type=Path, metavar="OUT", help="write the scores as JSON too")

    one = command("compose", _compose, "choose how to combine experts and write a release")
    _add_experts(one)
    one.add_argument("--out", type=Path, required=True, help="the release folder to write")
    one.add_argument("--strategy", choices=[kind.name for kind in STRATEGIES],
                     help="use this strategy and choose none")  # fmt: skip
    one.add_argument("--seed", type=int, default=0, help="(default: %(default)s)")
    for what in ("owner", "licence"):
        one.add_argument(f"--{what}", action="append", default=[], metavar="NAME=TEXT",
                         help=f"an expert's {what}, for the manifest")  # fmt: skip

    one = command("report", _report, "measure a release on the test part, against its controls")
    one.add_argument("release", type=Path, help="a release folder")
    one.add_argument("--items", type=Path, required=True, help=ITEMS_HELP)
    one.add_argument("--base", help=RELEASE_BASE_HELP)
    one.add_argument("--control", action="append", default=[], metavar="NAME=DIR",
                     help=f"an adapter to compare with: {', '.join(TRAINED_CONTROLS)}; or "
                     "general=BASE, a larger model without contributed data")  # fmt: skip
    one.add_argument("--seed", type=int, default=0, help="(default: %(default)s)")
    one.add_argument("--json", type=Path, metavar="OUT", help="write the whole report as JSON")

    one = command("answer", _answer, "let a release answer a prompt, and say who is owed")
    one.add_argument("release", type=Path, help="a release folder")
    one.add_argument("prompt", help="the text to answer")
    one.add_argument("--only", nargs="+", metavar="NAME", help="listen to these experts only")
    one.add_argument("--base", help=RELEASE_BASE_HELP)
    one.add_argument("--max-new-tokens", type=int, default=MOST_NEW_TOKENS, metavar="N",
                     help="how long an answer may be (default: %(default)s)")  # fmt: skip
    return top


def main(arguments: list[str] | None = None) -> int:
    given = parser().parse_args(arguments)
    try:
        torch.set_num_threads(given.threads)
        given.run(given)
    except OSError as error:
        return _refuse(f"{error.filename}: {error.strerror}." if error.filename else str(error))
    except (
        AdapterError, BaseError, CommandError, ReleaseError, TrainingError, ValueError
    ) as error:  # fmt: skip
        return _refuse(str(error))
    return 0


def _refuse(sentence: str) -> int:
    print(f"error: {sentence}", file=sys.stderr)
    return 1


def _pocket(given: Namespace) -> None:
    build(given.out, on_step=report_to_terminal())


def _train(given: Namespace) -> None:
    # Each row once, as the workers read them.
    examples = list(dict.fromkeys(read_examples(given.data)))
    base, recipe = _base(given.base), _recipe(given)
    trained = train_adapter(
        base,
        examples,
        recipe,
        out=given.out,
        work=given.out / "work",
        on_progress=_show,
        should_stop=lambda: False,
        threads=given.threads,
    )
    if not given.no_profile:
        profile = profile_of(example.prompt for example in examples)
        (given.out / PROFILE).write_text(json.dumps(profile) + "\n", encoding="utf-8")
    write_card(given.out, base, recipe, trained, given.data, len(examples), given.licence)
    shutil.rmtree(given.out / "work", ignore_errors=True)
    print(f"\n{given.out}: {trained.size_bytes} bytes, sha256 {trained.sha256}")


def _recipe(given: Namespace) -> Recipe:
    """As a worker reads it: what is not given keeps its default. Raises ValueError."""
    asked = {name.replace("-", "_") for name in RECIPE_HELP}
    values = {name: value for name in asked if (value := getattr(given, name)) is not None}
    if "rank" in values:
        values["alpha"] = 2 * values["rank"]
    return Recipe.from_dict(values)


def _evaluate(given: Namespace) -> None:
    items = read_items(given.items)
    part = _part(items, given.part, given.items)
    pool = _pool(given)
    limit = new_tokens(pool.base, items.all)
    table = evaluate(pool, part, sorted(pool.names), limit, _count)
    right = {name: scored(part, table.answers[name]) for name in table.models}
    scores = {
        group: {
            name: _score(
                [score for score, one in zip(right[name], table.groups, strict=True)
                 if group in ("", one)]
            )
            for name in table.models
        }
        for group in ("", *sorted(set(table.groups)))
    }  # fmt: skip
    for group, row in scores.items():
        print(f"\n{group or 'all items'} ({row[BASE]['n']} items)")
        _print_scores(row)
    if given.json:
        _write_json(given.json, {"part": given.part, "scores": scores.pop(""), "groups": scores})


def _compose(given: Namespace) -> None:
    items = read_items(given.items)
    fit, select = (_part(items, part, given.items) for part in ("fit", "select"))
    pool = _pool(given)
    about = _about(given, pool)
    if given.out.exists() and any(given.out.iterdir()):
        raise ReleaseError(f"{given.out} is not an empty folder.")
    limit = new_tokens(pool.base, items.all)
    names = sorted(pool.names)
    of_fit = fit, evaluate(pool, fit, names, limit, _count)
    of_select = select, evaluate(pool, select, names, limit, _count)
    profiles = _profiles(_named(given.adapter, "adapter"))
    if given.strategy:
        strategy, why = _asked_for(given, pool, of_fit, of_select, limit, profiles)
    else:
        choice = choose(pool, of_fit, of_select, {}, limit, profiles=profiles, seed=given.seed,
                        on_kind=lambda kind: print(f"trying {kind}", file=sys.stderr))  # fmt: skip
        for candidate in choice.candidates:
            print(_line(candidate))
        strategy, why = choice.strategy, choice.why
    write_release(given.out, pool, strategy, about=about, why=why, created_by=CREATED_BY)
    print(f"{why}\n{given.out}: a release of {len(names)} experts by {strategy.name}")


def _asked_for(
    given: Namespace,
    pool: ExpertPool,
    of_fit: tuple[Sequence[Item], DevTable],
    of_select: tuple[Sequence[Item], DevTable],
    limit: int,
    profiles: Mapping[str, Profile] | None,
) -> tuple[Strategy, str]:
    """The strategy of that name, with its score on select."""
    (fit, fit_table), (select, select_table) = of_fit, of_select
    kind = next(kind for kind in STRATEGIES if kind.name == given.strategy)
    tuned = tune_router(fit_table, None, SEES, pool, profiles)
    fitted = kind.fit(Dev(fit, fit_table, tuned, pool, limit, seed=given.seed))
    answers = answer(fitted, pool, select_table.prompts, Sampling(limit))
    score = _score(scored(select, [one.text for one in answers]))
    both = Dev([*fit, *select], fit_table.joined(select_table), tuned, pool, limit, seed=given.seed)
    why = f"{kind.name} was asked for; it scores {_interval(score)} on the select items."
    return fitted.refit(both), why


def _report(given: Namespace) -> None:
    items = read_items(given.items)
    dev = _part(items, "fit", given.items) + items.select
    test = _part(items, "test", given.items)
    pool, strategy = _release(given)
    experts = read_manifest(given.release).experts
    contributors = {one["name"]: one["owner"] or one["name"] for one in experts}
    # A group that is called like an expert is what that expert was made for.
    owners = {name: [name] for name in contributors}
    rivals = _rivals(_named(given.control, "control"), pool.base)
    limit = new_tokens(pool.base, items.all)
    names = sorted(pool.names)
    dev_table = evaluate(pool, dev, names, limit, _count)
    tuned = tune_router(dev_table, None, SEES, pool)
    table = evaluate(pool, test, names, limit, _count)
    report = measure(
        Subject(
            strategy,
            pool,
            test,
            table,
            Dev(dev, dev_table, tuned, pool, limit),
            owners,
            contributors,
        ),
        rivals,
        seed=given.seed,
        on_phase=lambda phase: print(phase, file=sys.stderr),
    )
    print(f"{len(test)} items\n")
    best = report["best_single"]
    _print_scores(report["scores"] | report["experts"], f"best_single ({best or 'the base'})")
    print("", *report["sentences"], sep="\n")
    if given.json:
        _write_json(given.json, {**report, "strategy": strategy.name, "level": strategy.level})


def _answer(given: Namespace) -> None:
    pool, strategy = _release(given)
    only = None if given.only is None else frozenset(given.only)
    if only and (unknown := only - pool.names):
        known = ", ".join(sorted(pool.names))
        raise CommandError(f"The release has no expert {sorted(unknown)[0]!r}; it has {known}.")
    told = ""
    sampling = Sampling(given.max_new_tokens)
    for (one,) in stream(strategy, pool, [given.prompt], sampling, only):
        print(one.text[len(told) :], end="", flush=True)
        told = one.text
    print()
    settle([one])
    for step in one.steps:
        print(f"  {step.model or 'the base'}: {step.asked} -> {step.answered}")
    credit = sorted(one.credit.items(), key=lambda pair: -pair[1])
    print("owed to", ", ".join(f"{name or 'the base'} {share:.0%}" for name, share in credit))


def _add_experts(command: argparse.ArgumentParser) -> None:
    command.add_argument("--base", default="pocket", help=BASE_HELP)
    command.add_argument("--adapter", action="append", default=[], required=True,
                         metavar="NAME=DIR", help="an expert; once for each")  # fmt: skip
    command.add_argument("--items", type=Path, required=True, help=ITEMS_HELP)


def _base(source: str) -> Base:
    return load_base(str(POCKET) if source == "pocket" else source)


def _pool(given: Namespace) -> ExpertPool:
    folders = _named(given.adapter, "adapter")
    pool = ExpertPool(_base(given.base), given.threads, remember=True)
    for name, folder in folders.items():
        try:
            pool.add(name, Path(folder))
        except AdapterError as error:
            raise AdapterError(f"{name}: {error}") from error
    return pool


def _release(given: Namespace) -> tuple[ExpertPool, Strategy]:
    base = _base(given.base or base_of(given.release))
    return read_release(given.release, base, given.threads)


def _named(pairs: Sequence[str], option: str) -> dict[str, str]:
    """Of `NAME=VALUE`s."""
    found: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not name or not equals or not value:
            raise CommandError(f"--{option} {pair} is not of the form NAME=...")
        if name in found:
            raise CommandError(f"--{option} {name} is given twice.")
        found[name] = value
    return found


def _about(given: Namespace, pool: ExpertPool) -> dict[str, About]:
    owners, licences = _named(given.owner, "owner"), _named(given.licence, "licence")
    if unknown := (owners.keys() | licences.keys()) - pool.names:
        raise CommandError(f"There is no expert {sorted(unknown)[0]!r} to say anything about.")
    return {name: About(owners.get(name, ""), licences.get(name, "")) for name in pool.names}


def _profiles(folders: Mapping[str, str]) -> dict[str, Profile] | None:
    """The experts' profiles, if every one has one."""
    files = {name: Path(folder) / PROFILE for name, folder in folders.items()}
    if not all(file.is_file() for file in files.values()):
        return None
    return {name: json.loads(file.read_text(encoding="utf-8")) for name, file in files.items()}


def _rivals(given: Mapping[str, str], base: Base) -> Rivals:
    if unknown := given.keys() - {*TRAINED_CONTROLS, "general"}:
        raise CommandError(f"There is no control {sorted(unknown)[0]!r} that can be given.")
    folders = {name: Path(folder) for name, folder in given.items() if name != "general"}
    adapters = {name: read_adapter(folder, base) for name, folder in folders.items()}
    why = "it was not given (--control)"
    missing = {name: why for name in (*TRAINED_CONTROLS, "general") if name not in given}
    return Rivals(adapters, _base(given["general"]) if "general" in given else None, missing)


def _part(items: Items, part: str, path: Path) -> list[Item]:
    if not items.of(part):
        raise CommandError(f"{path.name} has no items of the part {part}.")
    return items.of(part)


def _score(right: Sequence[float]) -> dict[str, float]:
    low, high = wilson(sum(right), len(right))
    return {"n": len(right), "score": sum(right) / len(right), "low": low, "high": high}


def _interval(row: Mapping[str, float]) -> str:
    return f"{row['score']:.1%} [{row['low']:.1%}, {row['high']:.1%}]"


def _print_scores(rows: Mapping[str, Mapping[str, float]], best_single: str = "") -> None:
    """A line a model, with its Wilson interval of 95 %."""
    names = {name: best_single if name == "best_single" else name or "base" for name in rows}
    width = max(map(len, names.values()))
    for name, row in rows.items():
        print(f"  {names[name]:<{width}}  {_interval(row)}")


def _line(one: Candidate) -> str:
    estimate = {"score": one.estimate.score, "low": one.estimate.low, "high": one.estimate.high}
    notes = [f"below the base on: {', '.join(one.harmed)}"] if one.harmed else []
    notes += [f"given up after {one.n} items"] if one.given_up else []
    head = f"{one.name:<12} {one.level:<8} {_interval(estimate)}  {one.generations:.1f} rows"
    return "  ".join([head, *notes])


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _count(done: int, of: int) -> None:
    print(f"\r{done} of {of} models", end="" if done < of else "\n", file=sys.stderr)


def _show(progress: Progress) -> None:
    print(
        f"\rstep {progress.step}/{progress.steps}  loss {progress.loss:.3f}  "
        f"{progress.tokens_per_second:.0f} tokens/s  {progress.seconds_left:.0f} s left ",
        end="",
        file=sys.stderr,
    )


if __name__ == "__main__":
    sys.exit(main())
