"""What may come in and must end in a clear error or a sensible result."""

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch

from tests.engine.conftest import AdapterMaker, save_adapter, save_llama
from tests.engine.plain import question
from training_workers.engine.adapters import AdapterError, adapter_sha256, read_adapter
from training_workers.engine.bases import Base, load_base
from training_workers.engine.composing import Choice, choose
from training_workers.engine.data import Example
from training_workers.engine.devtable import DevTable
from training_workers.engine.evaluating import evaluate
from training_workers.engine.pool import ExpertPool, Prompt, Sampling
from training_workers.engine.scoring import Item
from training_workers.engine.strategies.strategy import answer
from training_workers.engine.training import Recipe, train_adapter
from training_workers.engine.tuning import tune_router

MOST = 5
SAMPLING = Sampling(max_new_tokens=MOST)
PROMPTS = [f"{word} {n}" for n in range(6) for word in ("what colour is it", "how many legs")]


def pool_of(base: Base, folders: dict[str, Path]) -> ExpertPool:
    pool = ExpertPool(base)
    for name, folder in folders.items():
        pool.add(name, folder)
    return pool


def items_right_for(pool: ExpertPool, expert: str, prompts: Sequence[str]) -> list[Item]:
    answers = pool.generate([Prompt(text, expert) for text in prompts], SAMPLING)
    return [Item(t, (a,), "g") for t, a in zip(prompts, answers, strict=True)]


def chosen(pool: ExpertPool, items: list[Item]) -> Choice:
    half = len(items) // 2
    parts = [items[:half] or items, items[half:]]
    fit, select = ((part, evaluate(pool, part, sorted(pool.names), MOST)) for part in parts)
    return choose(pool, fit, select, {}, MOST)


def solved(choice: Choice, pool: ExpertPool, items: list[Item]) -> float:
    texts = answer(choice.strategy, pool, [item.prompt for item in items], SAMPLING)
    return sum(i.is_right(t.text) for i, t in zip(items, texts, strict=True)) / len(items)


def test_an_adapter_of_another_base_of_the_same_shape_is_refused(
    llama: Base, tmp_path: Path
) -> None:
    other = load_base(str(save_llama(tmp_path / "other", seed=1)), device="cpu")
    with pytest.raises(AdapterError, match="another base"):
        ExpertPool(llama).add("e", save_adapter(tmp_path / "e", other, "e"))


def test_experts_of_two_ranks_answer_side_by_side(
    base: Base, random_adapter: AdapterMaker, examples: list[Example], tmp_path: Path
) -> None:
    recipe = Recipe(rank=2, alpha=2, batch_size=6, passes=1)
    trained = train(base, examples, recipe, tmp_path / "small")
    folders = {"small": trained, "red": random_adapter(base, "red")}
    assert {read_adapter(folder, base).rank for folder in folders.values()} == {2, 4}
    pool = pool_of(base, folders)
    mixed = [Prompt(text, name) for text in PROMPTS[:3] for name in ("small", None, "red")]
    assert pool.generate(mixed, SAMPLING) == [pool.generate([p], SAMPLING)[0] for p in mixed]


def train(
    base: Base, examples: list[Example], recipe: Recipe, folder: Path, threads: int = 1
) -> Path:
    train_adapter(
        base,
        examples,
        recipe,
        out=folder,
        work=folder.with_suffix(".work"),
        on_progress=lambda progress: None,
        should_stop=lambda: False,
        threads=threads,
    )
    return folder


def test_an_expert_that_says_one_word_to_everything_is_not_asked(
    llama: Base, random_adapter: AdapterMaker, tmp_path: Path
) -> None:
    parrot = train(
        llama,
        [Example(text, "red") for text in PROMPTS],
        Recipe(rank=4, alpha=16, learning_rate=0.02, batch_size=6, passes=20),
        tmp_path / "parrot",
    )
    pool = pool_of(llama, {"parrot": parrot, "knows": random_adapter(llama, "knows")})
    unseen = [f"{text}?" for text in PROMPTS]
    assert set(pool.generate([Prompt(t, "parrot") for t in unseen], SAMPLING)) == {"red"}
    items = items_right_for(pool, "knows", PROMPTS)
    choice = chosen(pool, items)
    assert solved(choice, pool, items) == 1
    routes = choice.strategy.routes(PROMPTS, None, pool)
    assert {route.expert for route in routes} == {"knows"}


def test_an_empty_dev_set_is_a_clear_error(llama: Base, random_adapter: AdapterMaker) -> None:
    pool = pool_of(llama, {"red": random_adapter(llama, "red")})
    with pytest.raises(ValueError, match="no items"):
        evaluate(pool, [], ["red"], MOST)
    with pytest.raises(ValueError, match="needs prompts"):
        tune_router(DevTable([], [], {"": [], "red": []}))


@pytest.mark.parametrize("count", [2, 3, 4, 12])
def test_few_dev_items_are_enough_to_choose(
    llama: Base, random_adapter: AdapterMaker, count: int
) -> None:
    pool = pool_of(llama, {name: random_adapter(llama, name) for name in ("red", "blue")})
    items = items_right_for(pool, "red", PROMPTS[:count])
    assert solved(chosen(pool, items), pool, items) == 1


def test_one_expert_only(base: Base, random_adapter: AdapterMaker) -> None:
    pool = pool_of(base, {"red": random_adapter(base, "red")})
    items = items_right_for(pool, "red", PROMPTS)
    choice = chosen(pool, items)
    assert choice.strategy.name == "best_single"
    assert solved(choice, pool, items) == 1


def test_two_identical_experts_are_as_good_as_one(base: Base, random_adapter: AdapterMaker) -> None:
    folder = random_adapter(base, "red")
    pool = pool_of(base, {"red": folder, "twin": folder})
    items = items_right_for(pool, "red", PROMPTS)
    choice = chosen(pool, items)
    assert choice.strategy.name == "best_single"
    assert solved(choice, pool, items) == 1
    scores = {one.name: one.estimate.score for one in choice.candidates}
    assert scores["mixture"] == scores["nearest"] == scores["vote"] == 1


def test_no_expert_at_all_leaves_the_base(llama: Base) -> None:
    pool = ExpertPool(llama)
    items = [Item(text, ("?",), "g") for text in PROMPTS]
    choice = chosen(pool, items)
    assert choice.strategy.name == "best_single"
    assert choice.strategy.routes(["hi"], None, pool)[0].expert is None


def test_either_right_answer_of_an_item_counts(llama: Base, random_adapter: AdapterMaker) -> None:
    pool = pool_of(llama, {name: random_adapter(llama, name) for name in ("red", "blue")})
    both = [
        Item(one.prompt, (*one.references, *other.references), "g")
        for one, other in zip(
            *(items_right_for(pool, name, PROMPTS) for name in ("red", "blue")), strict=True
        )
    ]
    table = evaluate(pool, both, ["blue", "red"], MOST)
    assert all(table.correct["red"]) and all(table.correct["blue"])
    assert solved(chosen(pool, both), pool, both) == 1


def test_a_prompt_longer_than_the_context_keeps_its_end(
    base: Base, random_adapter: AdapterMaker
) -> None:
    """With gpt2 for a base this is a tokenizer without padding, too; with llama a base whose
    vocabulary was padded."""
    pool = pool_of(base, {"red": random_adapter(base, "red")})
    room = base.context_length - MOST
    end = "how many legs has a cat " * 40
    long = [Prompt(start + end, voice) for start in ("", "aa bb ") for voice in ("red", None)]
    assert len(base.tokenizer(end)["input_ids"]) > room
    texts = pool.generate(long, SAMPLING)
    assert texts[:2] == texts[2:]
    assert pool.generate([*long, Prompt("hi", "red")], SAMPLING)[:4] == texts
    items = items_right_for(pool, "red", [end, *PROMPTS])
    assert solved(chosen(pool, items), pool, items) == 1


def test_spare_rows_of_a_padded_vocabulary_are_never_said(llama: Base) -> None:
    """Of 2112 rows the tokenizer knows fewer; near-uniform draws would hit the rest."""
    known = len(llama.tokenizer)
    assert llama.model.get_input_embeddings().num_embeddings > known
    pool, even = ExpertPool(llama), Sampling(max_new_tokens=40, temperature=1e6)
    drafts = pool.drafts([Prompt(text, None) for text in PROMPTS], even)
    total = sum(draft.tokens for draft in drafts)
    assert total > 400
    assert all(draft.log_probability > -torch.inf for draft in drafts)
    (whole,) = pool.likelihoods([(Prompt("hi", None), "")])
    ids = torch.tensor([question(llama, "hi", 1)])
    logits = llama.model(input_ids=ids).logits[0, -1, :known].log_softmax(dim=-1)
    assert whole.log_probability == pytest.approx(
        float(logits[llama.tokenizer.eos_token_id]), abs=1e-4
    )


def test_two_threads_say_what_one_says(
    llama: Base, random_adapter: AdapterMaker, examples: list[Example], tmp_path: Path
) -> None:
    recipe = Recipe(rank=4, alpha=8, batch_size=6, passes=1)
    texts, hashes = [], []
    for run, threads in enumerate((1, 1, 2)):
        folder = train(llama, examples[:6], recipe, tmp_path / f"run{run}", threads)
        hashes.append(adapter_sha256(folder))
        pool = ExpertPool(llama, threads=threads)
        pool.add("trained", folder)
        pool.add("red", random_adapter(llama, "red"))
        texts.append(pool.generate([Prompt("hi", n) for n in ("trained", "red", None)], SAMPLING))
    ExpertPool(llama, threads=1)
    assert hashes[0] == hashes[1]
    assert texts[0] == texts[1] == texts[2]
