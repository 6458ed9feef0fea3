import json
import shutil
from pathlib import Path

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file, save_file

from tests.engine.conftest import AdapterMaker
from training_workers.engine.adapters import CONFIG, PREFIX, WEIGHTS, AdapterError, read_adapter
from training_workers.engine.bases import Base
from training_workers.engine.pool import ExpertPool, Prompt, Sampling

TEXTS = ["what colour is the sky?", "how many legs has a cat", "hi", "who are you? " * 3, "ünï ☃"]
SAMPLING = Sampling(max_new_tokens=12)


@pytest.fixture
def pool(base: Base, random_adapter: AdapterMaker) -> ExpertPool:
    pool = ExpertPool(base)
    for name in ("red", "blue"):
        pool.add(name, random_adapter(base, name))
    return pool


def mixed() -> list[Prompt]:
    experts = ["red", None, "blue"]
    return [Prompt(text, experts[n % 3]) for n, text in enumerate(TEXTS * 3)]


@pytest.mark.parametrize("temperature", [0.0, 0.8])
def test_a_mixed_batch_answers_as_one_by_one(pool: ExpertPool, temperature: float) -> None:
    sampling = Sampling(max_new_tokens=12, temperature=temperature, seed=3)
    together = pool.generate(mixed(), sampling)
    assert together == [pool.generate([prompt], sampling)[0] for prompt in mixed()]
    assert len(set(together)) > 5


def test_an_adapter_answers_as_in_plain_peft(
    base: Base, random_adapter: AdapterMaker, pool: ExpertPool
) -> None:
    plain = PeftModel.from_pretrained(base.twin(), str(random_adapter(base, "red")))
    for text in TEXTS:
        ids = base.tokenizer(text.strip() + "\n", return_tensors="pt")["input_ids"]
        made: list[int] = []
        for _ in range(12):
            with torch.no_grad():
                scores = plain(input_ids=ids).logits[0, -1, : len(base.tokenizer)]
            if (token := int(scores.argmax())) == base.tokenizer.eos_token_id:
                break
            made.append(token)
            ids = torch.cat([ids, torch.tensor([[token]])], dim=1)
        answer = base.tokenizer.decode(made, skip_special_tokens=True).strip()
        assert pool.generate([Prompt(text, "red")], SAMPLING) == [answer]


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_streamed_pieces_join_to_the_answer(pool: ExpertPool, temperature: float) -> None:
    sampling = Sampling(max_new_tokens=12, temperature=temperature)
    joined = [""] * len(mixed())
    finished = [False] * len(mixed())
    for pieces in pool.stream(mixed(), sampling):
        for row, piece in enumerate(pieces):
            assert not (finished[row] and piece is not None)
            finished[row] = piece is None
            joined[row] += piece or ""
    assert joined == pool.generate(mixed(), sampling)


def test_removing_an_expert_leaves_the_others_as_they_were(pool: ExpertPool) -> None:
    others = [prompt for prompt in mixed() if prompt.expert != "red"]
    before = pool.generate(others, SAMPLING)
    pool.remove("red")
    assert pool.names == {"blue"}
    assert pool.generate(others, SAMPLING) == before
    with pytest.raises(KeyError):
        pool.generate([Prompt("hi", "red")], SAMPLING)
    pool.remove("blue")
    base_only = [prompt for prompt in others if prompt.expert is None]
    kept = [text for text, prompt in zip(before, others, strict=True) if prompt.expert is None]
    assert pool.generate(base_only, SAMPLING) == kept


def test_an_expert_added_again_takes_the_place_of_the_first(
    base: Base, pool: ExpertPool, random_adapter: AdapterMaker
) -> None:
    prompts = [Prompt(text, "red") for text in TEXTS]
    before = pool.generate(prompts, SAMPLING)
    pool.add("red", random_adapter(base, "another"))
    assert pool.generate(prompts, SAMPLING) != before
    pool.add("red", random_adapter(base, "red"))
    assert pool.generate(prompts, SAMPLING) == before


def test_a_draw_depends_on_the_seed(pool: ExpertPool) -> None:
    one, same, other = (
        pool.generate(mixed(), Sampling(max_new_tokens=12, temperature=1.0, seed=seed))
        for seed in (1, 1, 2)
    )
    assert one == same != other


def test_no_prompts_no_answers(pool: ExpertPool) -> None:
    assert pool.generate([], SAMPLING) == []
    assert list(pool.stream([], SAMPLING)) == []


def test_a_prompt_longer_than_the_context_is_cut(pool: ExpertPool) -> None:
    assert len(pool.generate([Prompt("word " * 500, "red")], SAMPLING)) == 1
    with pytest.raises(ValueError, match="max_new_tokens"):
        pool.generate([Prompt("hi", None)], Sampling(max_new_tokens=96))


@pytest.mark.parametrize(
    ("changes", "scaling"),
    [({"lora_alpha": 12}, 3.0), ({"lora_alpha": 6, "use_rslora": True}, 3.0)],
)
def test_the_scaling_of_an_adapter_made_elsewhere_counts(
    base: Base, random_adapter: AdapterMaker, changes: dict[str, object], scaling: float
) -> None:
    folder = random_adapter(base, "red")
    plain = read_adapter(folder, base)
    respell(folder, **changes)
    scaled = read_adapter(folder, base)
    for name, tensor in plain.tensors.items():
        factor = scaling if ".lora_B." in name else 1.0
        assert torch.equal(scaled.tensors[name], tensor * factor)


def respell(folder: Path, **changes: object) -> None:
    config = json.loads((folder / CONFIG).read_text())
    (folder / CONFIG).write_text(json.dumps({**config, **changes}))


def test_adapters_that_do_not_fit_are_refused(
    llama: Base, gpt2: Base, random_adapter: AdapterMaker, tmp_path: Path
) -> None:
    pool = ExpertPool(llama)
    good = random_adapter(llama, "good")

    def copy(name: str) -> Path:
        return Path(shutil.copytree(good, tmp_path / name))

    def refused(folder: Path, reason: str) -> None:
        with pytest.raises(AdapterError, match=reason):
            pool.add("e", folder)
        assert pool.names == frozenset()

    refused(random_adapter(gpt2, "foreign"), "another base")
    refused(tmp_path / "missing", "cannot be read")

    for label, changes, reason in (
        ("kind", {"peft_type": "IA3"}, "not a LoRA"),
        ("ranked", {"r": 8}, "has shape"),
        ("rankless", {"r": None}, "no valid r"),
        ("pattern", {"alpha_pattern": {"q_proj": 2}}, "different rank or alpha"),
    ):
        respell(folder := copy(label), **changes)
        refused(folder, reason)

    tensors = load_file(good / WEIGHTS)
    name = next(iter(tensors))
    for label, changed, reason in (
        ("nan", {**tensors, name: torch.full_like(tensors[name], torch.nan)}, "not finite"),
        ("shape", {**tensors, name: torch.zeros(3, 3)}, "has shape"),
        ("half", {key: value for key, value in tensors.items() if key != name}, "is missing"),
        (
            "extra",
            {**tensors, f"{PREFIX}nowhere.lora_A.weight": torch.ones(4, 4)},
            "no layer",
        ),
        ("empty", {}, "no weights"),
    ):
        folder = copy(label)
        save_file(changed, folder / WEIGHTS)
        refused(folder, reason)

    pool.add("e", good)
    with pytest.raises(AdapterError):
        pool.add("e", tmp_path / "missing")
    assert pool.names == {"e"}


@pytest.mark.parametrize("name", ["", "__base__", "a.b"])
def test_names_that_peft_cannot_hold_are_refused(
    llama: Base, random_adapter: AdapterMaker, name: str
) -> None:
    with pytest.raises(AdapterError, match="cannot be called"):
        ExpertPool(llama).add(name, random_adapter(llama, "good"))
