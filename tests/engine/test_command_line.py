"""The engine's command line: from rows to a release that answers, and what it says to bad input."""

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mosaic_site.supervisor.stack import REPOSITORY
from tests.engine.conftest import save_adapter
from training_workers.engine.__main__ import main
from training_workers.engine.bases import Base
from training_workers.engine.profiles import profile_of
from training_workers.engine.release_manifest import read_manifest
from training_workers.engine.scoring import Item, normalised
from training_workers.engine.strategies import STRATEGIES
from training_workers.engine.tasks import PARTS, read_items

FACTS = {
    "colours": (
        {"sky": "blue", "grass": "green", "snow": "white", "coal": "black", "blood": "red"},
        ("What colour is the {}?", "Tell me the colour of {}.", "Which colour has {}?"),
    ),
    "legs": (
        {"cat": "four", "spider": "eight", "bird": "two", "ant": "six", "snake": "none"},
        ("How many legs has a {}?", "Count the legs of a {}.", "The legs of a {}, how many?"),
    ),
}


def write_lines(path: Path, rows: list[dict[str, object]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@dataclass(frozen=True)
class Kitchen:
    """Two experts that were trained, and items that both together can answer."""

    adapters: list[str]
    items: Path
    release: Path

    def experts(self) -> list[str]:
        return [*(arg for pair in self.adapters for arg in ("--adapter", pair)), "--threads", "1"]


@pytest.fixture(scope="module")
def kitchen(tmp_path_factory: pytest.TempPathFactory) -> Kitchen:
    folder = tmp_path_factory.mktemp("kitchen")
    items: list[dict[str, object]] = []
    for name, (facts, wordings) in FACTS.items():
        rows: list[dict[str, object]] = []
        for thing, answer in facts.items():
            for part, wording in zip(PARTS, wordings, strict=True):
                prompt = wording.format(thing)
                rows.append({"prompt": prompt, "completion": answer})
                items.append({"prompt": prompt, "answer": answer, "group": name, "part": part})
        data = write_lines(folder / f"{name}.jsonl", rows)
        assert main(["train", "--data", str(data), "--out", str(folder / name)]) == 0
    made = Kitchen(
        [f"{name}={folder / name}" for name in FACTS],
        write_lines(folder / "items.jsonl", items),
        folder / "release",
    )
    command = ["compose", "--items", str(made.items), "--out", str(made.release)]
    assert main([*command, *made.experts(), "--owner", "legs=Ada", "--licence", "legs=MIT"]) == 0
    return made


def test_a_profile_travels_with_the_adapter_unless_it_must_not(
    kitchen: Kitchen, llama: Base, tmp_path: Path
) -> None:
    facts, wordings = FACTS["legs"]
    prompts = [wording.format(thing) for thing in facts for wording in wordings]
    folder = Path(kitchen.adapters[1].partition("=")[2])
    assert json.loads((folder / "profile.json").read_text()) == profile_of(prompts)
    data = write_lines(tmp_path / "rows.jsonl", [{"prompt": "hi", "completion": "you"}])
    command = ["train", "--data", str(data), "--base", llama.source, "--no-profile"]
    assert main([*command, "--out", str(tmp_path / "out")]) == 0
    assert (tmp_path / "out" / "adapter_model.safetensors").is_file()
    assert not (tmp_path / "out" / "profile.json").exists()


def test_experts_are_scored(
    kitchen: Kitchen, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "scores.json"
    command = ["evaluate", "--items", str(kitchen.items), "--json", str(out)]
    assert main([*command, *kitchen.experts()]) == 0
    # Wilson's interval of 5 of 10, by hand: (0.2366, 0.7634).
    assert "legs     50.0% [23.7%, 76.3%]" in capsys.readouterr().out
    found = json.loads(out.read_text())
    assert found["scores"]["legs"]["n"] == 10
    assert {name: row["score"] for name, row in found["groups"]["legs"].items()} == {
        "": 0.0,
        "colours": 0.0,
        "legs": 1.0,
    }


def test_what_is_composed_says_why_and_answers(
    kitchen: Kitchen, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = read_manifest(kitchen.release)
    assert manifest.strategy == "nearest"
    assert "nearest scores 1.000" in manifest.why
    assert manifest.experts[1]["owner"] == "Ada"
    assert manifest.experts[1]["licence"] == "MIT"
    release = ["answer", str(kitchen.release), "What colour is the snow?", "--threads", "1"]
    assert main(release) == 0
    assert capsys.readouterr().out == "white\nowed to colours 100%\n"
    assert main([*release, "--only", "legs"]) == 0
    assert capsys.readouterr().out.endswith("\nowed to legs 100%\n")
    assert main([*release, "--only", "pink"]) == 1
    assert "no expert 'pink'; it has colours, legs." in capsys.readouterr().err


def test_the_candidates_are_shown(
    kitchen: Kitchen, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["compose", "--items", str(kitchen.items), *kitchen.experts()]
    assert main([*command, "--out", str(tmp_path / "chosen")]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert {line.split()[0] for line in shown} >= {kind.name for kind in STRATEGIES}
    assert main([*command, "--out", str(tmp_path / "asked"), "--strategy", "soup"]) == 0
    assert "soup was asked for" in capsys.readouterr().out
    assert read_manifest(tmp_path / "asked").strategy == "soup"
    assert (tmp_path / "asked" / "merged" / "adapter_config.json").is_file()
    assert main(["answer", str(tmp_path / "asked"), "the snow?", "--threads", "1"]) == 0
    *_, owed = capsys.readouterr().out.splitlines()
    shares = [int(share) for share in re.findall(r"(\d+)%", owed)]
    assert len(shares) == 2 and sum(shares) == pytest.approx(100, abs=1)
    assert main([*command, "--out", str(tmp_path / "asked")]) == 1
    assert "is not an empty folder." in capsys.readouterr().err


def test_a_report_names_what_it_compares_with_and_what_is_missing(
    kitchen: Kitchen, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "report.json"
    command = ["report", str(kitchen.release), "--items", str(kitchen.items), "--json", str(out)]
    # An expert stands in for a monolith: any adapter can be compared with.
    monolith = f"monolith={kitchen.adapters[0].partition('=')[2]}"
    assert main([*command, "--threads", "1", "--control", monolith]) == 0
    shown = capsys.readouterr().out
    assert "best_single (colours)  50.0%" in shown
    assert "The mosaic is above the base: +100.0 points" in shown
    assert "Not compared with a larger model without any contributed data" in shown
    report = json.loads(out.read_text())
    assert report["n"] == 10
    assert report["scores"]["mosaic"]["score"] == 1.0
    assert report["scores"]["monolith"]["score"] == 0.5
    assert report["priorities"]["legs"]["own"]["score"] == 1.0
    assert report["missing"]["sequential"] == "it was not given (--control)"
    assert sum(report["credit"].values()) == pytest.approx(1.0)
    assert main([*command, "--control", "pink=there"]) == 1
    assert "There is no control 'pink'" in capsys.readouterr().err


def test_bad_input_ends_with_one_clear_sentence(
    kitchen: Kitchen, llama: Base, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    items, (colours, legs) = str(kitchen.items), kitchen.adapters
    nothing, out = str(tmp_path / "nothing"), str(tmp_path / "out")
    only_test = write_lines(
        tmp_path / "test.jsonl", [{"prompt": "hi", "answer": "you", "part": "test"}]
    )
    foreign = save_adapter(tmp_path / "foreign", llama, "foreign")
    for command, why in (
        (["evaluate", "--items", nothing, "--adapter", legs], f"{nothing}: No such file"),
        (["evaluate", "--items", items, "--adapter", "legs"], "--adapter legs is not of the form"),
        (["evaluate", "--items", items, "--adapter", legs, "--adapter", legs], "given twice"),
        (["evaluate", "--items", items, "--adapter", f"legs={nothing}"], "legs: The adapter can"),
        (["evaluate", "--items", items, "--adapter", f"x={foreign}"], "x: The adapter was trained"),
        (["evaluate", "--items", items, "--adapter", legs, "--base", out], "neither a folder"),
        (["compose", "--items", str(only_test), "--adapter", colours, "--out", out], "part fit"),
        (["compose", "--items", items, "--adapter", colours, "--out", out, "--owner", "legs=Ada"],
         "There is no expert 'legs'"),
        (["report", nothing, "--items", items], "is not a release"),
        (["answer", nothing, "hi"], "is not a release"),
        (["answer", str(kitchen.release), "hi", "--base", llama.source], "for another base"),
        (["answer", str(kitchen.release), "hi", "--max-new-tokens", "0"], "max_new_tokens"),
    ):  # fmt: skip
        assert main([*command, "--threads", "1"]) == 1, command
        error = capsys.readouterr().err
        assert error.startswith("error: ") and error.count("\n") == 1, error
        assert why in error
    assert not Path(out).exists()


def test_lines_become_items(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [
        {"prompt": "one?", "answer": "a", "part": "fit"},
        {"prompt": "two?", "answers": ["b", "B!"], "part": "test", "group": "g"},
        {"prompt": "three?", "answer": "c", "part": "select", "scorer": "f1_match"},
    ]
    items = read_items(write_lines(tmp_path / "quiz.jsonl", rows))
    assert items.fit == [Item("one?", ("a",), "quiz")]
    assert items.test == [Item("two?", ("b", "B!"), "g")]
    assert items.select == [Item("three?", ("c",), "quiz", "f1_match")]


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from("abcdefghijklmnop"), st.sampled_from("xy")), min_size=1),
    st.integers(0, 3),
)
def test_a_lot_parts_items_but_no_prompt(
    tmp_path_factory: pytest.TempPathFactory, drawn: list[tuple[str, str]], seed: int
) -> None:
    folder = tmp_path_factory.mktemp("lot")
    rows: list[dict[str, object]] = [
        {"prompt": f"What is {one}?", "answer": "it", "group": group} for one, group in drawn
    ]
    path = write_lines(folder / "rows.jsonl", rows)
    items = read_items(path, seed)
    assert items == read_items(path, seed)
    assert len(items.all) == len(rows)
    prompts = [{normalised(item.prompt) for item in items.of(part)} for part in PARTS]
    assert sum(map(len, prompts)) == len({one for one, _ in drawn})


def test_a_task_is_parted_two_to_one(tmp_path: Path) -> None:
    path = tmp_path / "task.json"
    choice = {"choices": {"A": "one", "B": "two"}, "answer": "B"}
    task = {
        "name": "sums",
        "task_type": "multiple_choice",
        "dev": [{"question": f"How many are {n}?", **choice} for n in range(30)],
        "test": [{"question": "How many?", **choice}],
    }
    path.write_text(json.dumps(task))
    items = read_items(path)
    assert (len(items.fit), len(items.select)) == (20, 10)
    assert items.test == [
        Item("How many?\nA. one\nB. two", ("B", "two"), "sums", "multiple_choice")
    ]
    assert items.test[0].is_right("B.") and not items.test[0].is_right("A")
    assert read_items(path, seed=1).fit != items.fit
    task = {"task_type": "f1_match", "test": [{"input": "Who?", "output": "the old keeper"}]}
    path.write_text(json.dumps(task))
    assert read_items(path).test == [Item("Who?", ("the old keeper",), "task", "f1_match")]


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("a.jsonl", "", "a.jsonl has no items."),
        ("a.jsonl", '{"prompt": "x", "answer": "y"}\nno\n', "a.jsonl, row 2 is not JSON"),
        ("a.jsonl", "[]\n", "a.jsonl, row 1 is not a JSON object."),
        ("a.jsonl", '{"answer": "y"}', 'a.jsonl, row 1: "prompt" is missing'),
        ("a.jsonl", '{"prompt": "x"}', 'row 1: "answer" is missing'),
        ("a.jsonl", '{"prompt": "x", "answer": 3}', 'row 1: "answer" is missing, or no text'),
        ("a.jsonl", '{"prompt": "x", "answers": []}', '"answers" is not a list of texts'),
        ("a.jsonl", '{"prompt": "x", "answer": "y", "part": "dev"}', "'dev', none of fit, select"),
        ("a.jsonl", '{"prompt": "x", "answer": "y", "scorer": []}', '"scorer" is [], none of'),
        ("a.json", "{", "a.json: This is not JSON"),
        ("a.json", "{}", 'a.json: "task_type" is None, none of exact_match'),
        ("a.json", '{"task_type": "exact_match", "dev": 3}', 'a.json: "dev" is not a list.'),
        ("a.json", '{"task_type": "exact_match", "dataset": 3}', '"dataset" is not a text'),
        ("a.json", '{"task_type": "exact_match", "dev": [{"input": "x"}]}',
         'a.json, dev row 1: "output" is missing'),
        ("a.json", '{"task_type": "multiple_choice", "test": [{"question": "x"}]}',
         'a.json, test row 1: "choices" is not an object'),
        ("a.json", '{"task_type": "multiple_choice", "test": '
         '[{"question": "x", "choices": {"A": "y"}, "answer": "B"}]}',
         "test row 1: \"answer\" is 'B', none of A."),
    ],
)  # fmt: skip
def test_what_is_wrong_in_a_file_is_said_with_its_row(
    tmp_path: Path, name: str, text: str, why: str
) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(ValueError) as error:
        read_items(tmp_path / name)
    assert why in str(error.value)


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match=r"a\.jsonl is not a text in UTF-8"):
        read_items(tmp_path / "a.jsonl")


@pytest.mark.parametrize(
    ("name", "scorer", "dev", "test"),
    [("gsm8k", "exact_match", 200, 1000), ("truthfulqa", "multiple_choice", 200, 617)],
)
def test_tasks_of_the_toolkit_are_read(name: str, scorer: str, dev: int, test: int) -> None:
    """Real ones, where they are on hand: named by MOSAIC_DATA, or beside the repository."""
    shared = Path(os.environ.get("MOSAIC_DATA", REPOSITORY.parent / "shared" / "data"))
    path = shared / "tasks" / f"{name}.json"
    if not path.is_file():
        pytest.skip(f"{path} is not there: set MOSAIC_DATA to a folder that holds tasks/")
    items = read_items(path)
    assert len(items.fit) + len(items.select) == dev
    assert abs(len(items.fit) - 2 * len(items.select)) <= 6
    assert len(items.test) == test
    for item in items.all:
        assert item.scorer == scorer
        assert item.group == name
        assert item.is_right(item.references[0])
        if scorer == "multiple_choice":
            assert f"\n{item.references[0]}. " in item.prompt
