"""lm-evaluation-harness over a release: tasks as it reads them, scores as worked out by hand."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lm_eval
import pytest
import yaml
from lm_eval.api.instance import Instance
from lm_eval.tasks import TaskManager

from tests.engine.conftest import AdapterMaker
from tests.engine.plain import Models, ask, next_token, peft_models, question
from training_workers.engine.bases import Base
from training_workers.engine.harness import Mosaic
from training_workers.engine.pool import ExpertPool
from training_workers.engine.release_folder import write_release
from training_workers.engine.strategies.best_single import BestSingle

QUESTIONS = ["what colour is the sky?", "how many legs has a cat", "who are you?", "why?"]
CHOICES = ["blue", "four legs", "nobody"]
LONG = "the sea is blue and the cat has four legs and nobody knows why it is so " * 12


@pytest.fixture
def expert(llama: Base, random_adapter: AdapterMaker) -> Models:
    return peft_models(llama, {"blue": random_adapter(llama, "blue")})


@pytest.fixture
def mosaic(llama: Base, random_adapter: AdapterMaker, tmp_path: Path) -> Mosaic:
    """A release in which `blue` answers everything."""
    pool = ExpertPool(llama)
    pool.add("blue", random_adapter(llama, "blue"))
    write_release(tmp_path / "release", pool, BestSingle({"": 0.0, "blue": 1.0}))
    return Mosaic(str(tmp_path / "release"), device="cpu")


def log_probability(base: Base, model: Any, context: str, completion: str) -> tuple[float, bool]:
    """Token by token."""
    answer = base.tokenizer(completion.strip(), add_special_tokens=False)["input_ids"]
    ids = question(base, context, len(answer))
    total, greedy = 0.0, True
    for at, token in enumerate(answer):
        scores = next_token(base, model, ids + answer[:at])
        total += float(scores[token])
        greedy = greedy and int(scores.argmax()) == token
    return total, greedy


def requests(kind: str, rows: Sequence[tuple[Any, ...]]) -> list[Instance]:
    return [Instance(kind, {}, row, number) for number, row in enumerate(rows)]


def run(
    model: Mosaic, folder: Path, rows: Sequence[dict[str, Any]], task: dict[str, Any]
) -> dict[str, float]:
    """One task, defined here, with its data in `folder`."""
    (folder / "rows.json").write_text("\n".join(json.dumps(row) for row in rows))
    common = {
        "task": "tiny",
        "dataset_path": "json",
        "dataset_kwargs": {
            "data_files": {"test": str(folder / "rows.json")},
            "cache_dir": str(folder / "cache"),
        },
        "test_split": "test",
        "doc_to_text": "{{question}}",
    }
    (folder / "tasks").mkdir()
    (folder / "tasks" / "tiny.yaml").write_text(yaml.safe_dump(common | task))
    done = lm_eval.simple_evaluate(
        model=model,
        tasks=["tiny"],
        task_manager=TaskManager(include_path=str(folder / "tasks"), include_defaults=False),
        bootstrap_iters=0,
    )
    scores: dict[str, float] = done["results"]["tiny"]
    return scores


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "HF_EVALUATE_OFFLINE"):
        monkeypatch.setenv(name, "1")
    # Read once, at import.
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", True)


def test_a_task_of_answers(mosaic: Mosaic, expert: Models, llama: Base, tmp_path: Path) -> None:
    said = [ask(llama, expert["blue"], text, 8).text for text in QUESTIONS]
    assert all(said)
    assert said[:3] != [ask(llama, expert[""], text, 8).text for text in QUESTIONS[:3]]
    answers = [*said[:3], "something else"]
    rows = [{"question": q, "answer": a} for q, a in zip(QUESTIONS, answers, strict=True)]
    scores = run(
        mosaic,
        tmp_path,
        rows,
        {
            "output_type": "generate_until",
            "doc_to_target": "{{answer}}",
            "generation_kwargs": {"until": ["<never>"], "max_gen_toks": 8},
            "metric_list": [{"metric": "exact_match"}],
        },
    )
    assert scores["exact_match,none"] == 3 / 4


def test_a_task_of_choices(mosaic: Mosaic, expert: Models, llama: Base, tmp_path: Path) -> None:
    likeliest = []
    for text in QUESTIONS:
        each = [log_probability(llama, expert["blue"], text, one)[0] for one in CHOICES]
        likeliest.append(each.index(max(each)))
    gold = [likeliest[0], (likeliest[1] + 1) % 3, likeliest[2], (likeliest[3] + 2) % 3]
    rows = [{"question": q, "gold": g} for q, g in zip(QUESTIONS, gold, strict=True)]
    scores = run(
        mosaic,
        tmp_path,
        rows,
        {
            "output_type": "multiple_choice",
            "doc_to_choice": CHOICES,
            "doc_to_target": "gold",
            "metric_list": [{"metric": "acc"}],
        },
    )
    assert scores["acc,none"] == 2 / 4


def test_likelihoods_are_those_of_the_expert(mosaic: Mosaic, expert: Models, llama: Base) -> None:
    pairs = [(text, f" {choice}") for text in ["", *QUESTIONS] for choice in CHOICES]
    said = ask(llama, expert["blue"], "hi", 4).text
    pairs.append(("hi", said))
    found = mosaic.loglikelihood(requests("loglikelihood", pairs))
    for (context, completion), (value, greedy) in zip(pairs, found, strict=True):
        right, likeliest = log_probability(llama, expert["blue"], context, completion)
        assert value == pytest.approx(right, abs=1e-3)
        assert greedy == likeliest


def test_a_long_text_is_read_in_windows(mosaic: Mosaic, expert: Models, llama: Base) -> None:
    short = "the sea is blue"
    asked = requests("loglikelihood_rolling", [(short,), (LONG,), ("",), ("x" * 400,)])
    found = mosaic.loglikelihood_rolling(asked)
    assert found[0] == pytest.approx(log_probability(llama, expert["blue"], "", short)[0], abs=1e-3)
    assert found[2] == 0.0
    # Halves of halves of the text, until each fits.
    parts = [LONG.strip()]
    while any(len(llama.tokenizer(one)["input_ids"]) > llama.context_length // 2 for one in parts):
        cuts = [one.index(" ", len(one) // 2) for one in parts]
        halves = [(one[:cut], one[cut:]) for one, cut in zip(parts, cuts, strict=True)]
        parts = [half.strip() for pair in halves for half in pair]
    each = [
        log_probability(llama, expert["blue"], before, one)[0]
        for before, one in zip(["", *parts], parts, strict=False)
    ]
    assert len(parts) > 2
    assert found[1] == pytest.approx(sum(each), abs=1e-2)
    assert found[3] < found[0]


def test_answers_end_where_a_task_says(mosaic: Mosaic, expert: Models, llama: Base) -> None:
    said = ask(llama, expert["blue"], "hi", 8).text
    stop = said[len(said) // 2]
    rows = [
        ("hi", {"until": ["", stop], "max_gen_toks": 8}),
        ("hi", {"until": stop, "max_gen_toks": 8}),
        ("hi", {"until": [], "max_gen_toks": 8}),
        ("hi", {"until": [], "max_gen_toks": 8, "do_sample": False, "temperature": 1.0}),
        ("hi", {"until": [], "max_gen_toks": 8, "do_sample": True, "temperature": 5.0}),
        ("hi", {"until": [], "max_gen_toks": 10_000}),
    ]
    found = mosaic.generate_until(requests("generate_until", rows))
    assert found[0] == found[1] == said[: said.index(stop)]
    assert found[2] == found[3] == said
    assert found[4] != said
    assert found[5].startswith(said)
