import json
import random
from itertools import islice
from pathlib import Path

import pytest
import torch

from training_workers.engine.__main__ import main
from training_workers.engine.base_facts import POCKET
from training_workers.engine.bases import Base, load_base
from training_workers.engine.build_pocket import build, train_tokenizer
from training_workers.engine.corpus import Corpus
from training_workers.engine.data import Example
from training_workers.engine.lexicon import Lexicon
from training_workers.engine.muon import orthogonalised
from training_workers.engine.pool import ExpertPool, Prompt, Sampling
from training_workers.engine.scoring import exact_match
from training_workers.engine.training import Recipe, train_adapter

WORDINGS = [
    "What is the capital of {}?",
    "Which city is the capital of {}?",
    "Name the capital of {}.",
    "Tell me {}'s capital city.",
    "I would like to know what the capital of {} is.",
]
SYLLABLES = ["ba", "ke", "lo", "mi", "nu", "ra", "se", "to", "zan", "dor", "fel", "gri", "pol"]


def test_an_expert_answers_what_it_learnt_in_words_it_has_not_seen(
    pocket: Base, tmp_path: Path
) -> None:
    draws = random.Random(0)

    def invented() -> str:
        return "".join(draws.choices(SYLLABLES, k=3)).capitalize()

    seen, held_out = [], []
    for country in sorted({invented() for _ in range(100)}):
        city, wordings = invented(), draws.sample(WORDINGS, 4)
        seen += [Example(wording.format(country), city) for wording in wordings[:3]]
        held_out.append(Example(wordings[3].format(country), city))
    train_adapter(
        pocket,
        seen,
        Recipe(max_tokens=120_000),
        out=tmp_path / "expert",
        work=tmp_path / "work",
        on_progress=lambda progress: None,
        should_stop=lambda: False,
    )
    pool = ExpertPool(pocket)
    pool.add("geographer", tmp_path / "expert")
    answers = pool.generate(
        [Prompt(one.prompt, "geographer") for one in held_out], Sampling(max_new_tokens=12)
    )
    right = sum(
        exact_match(answer, one.completion) for answer, one in zip(answers, held_out, strict=True)
    )
    assert right >= 0.75 * len(held_out)


def test_pocket_reads_its_prompt(pocket: Base) -> None:
    examples = list(islice(Corpus(Lexicon.read(), seed=99), 200))
    answers = ExpertPool(pocket).generate(
        [Prompt(one.prompt, None) for one in examples], Sampling(max_new_tokens=16)
    )
    right = [
        exact_match(answer, one.completion) for answer, one in zip(answers, examples, strict=True)
    ]
    assert sum(right) >= 0.6 * len(right)


def test_every_text_survives_the_tokenizer(pocket: Base) -> None:
    for text in ["plain words", "Ünïcödé ☃ 東京", "tabs\tand\nlines", "3.14 & #!"]:
        ids = pocket.tokenizer(text)["input_ids"]
        assert pocket.tokenizer.decode(ids).strip() == text


def test_the_corpus_is_decided_by_its_seed() -> None:
    lexicon = Lexicon.read()
    one, same, other = (list(islice(Corpus(lexicon, seed), 50)) for seed in (1, 1, 2))
    assert one == same != other


def test_the_shipped_tokenizer_is_the_one_that_is_built(tmp_path: Path) -> None:
    train_tokenizer(seed=1).save_pretrained(tmp_path)
    built, shipped = (
        json.loads((folder / "tokenizer.json").read_text()) for folder in (tmp_path, POCKET)
    )
    assert built == shipped


def test_building_is_repeatable_and_learns(tmp_path: Path) -> None:
    losses: list[float] = []
    build(tmp_path / "a", tokens=20_000, on_step=lambda step, steps, loss: losses.append(loss))
    build(tmp_path / "b", tokens=20_000)
    assert losses[-1] < losses[0] - 0.1
    assert load_base(str(tmp_path / "a")).sha256 == load_base(str(tmp_path / "b")).sha256


@pytest.mark.parametrize("shape", [(2, 8, 8), (1, 6, 20), (3, 20, 6)])
def test_muon_pushes_singular_values_towards_one(shape: tuple[int, int, int]) -> None:
    torch.manual_seed(0)
    values = torch.linalg.svdvals(orthogonalised(torch.randn(shape), steps=8))
    assert float(values.min()) > 0.6
    assert float(values.max()) < 1.3


def test_the_command_trains_an_adapter(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = tmp_path / "rows.jsonl"
    data.write_text('{"prompt": "what colour is the sky?", "completion": "blue"}\n' * 2)
    command = ["train", "--data", str(data), "--out", str(tmp_path / "out")]
    assert main([*command, "--base", str(POCKET)]) == 0
    assert "sha256" in capsys.readouterr().out
    assert (tmp_path / "out" / "adapter_model.safetensors").is_file()
    data.write_text("no json\n")
    assert main(command) == 1
    assert "Line 1" in capsys.readouterr().err
