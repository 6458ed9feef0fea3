import copy
import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.engine.conftest import AdapterMaker
from tests.engine.plain import ask, next_token, peft_models, question
from training_workers.engine.adapters import (
    CONFIG,
    PREFIX,
    WEIGHTS,
    Adapter,
    AdapterError,
    read_adapter,
)
from training_workers.engine.bases import Base
from training_workers.engine.pool import Draft, ExpertPool, OpenBatch, Prompt, Sampling
from training_workers.engine.strategies.mixture import MixtureBlend

TEXTS = ["what colour is the sky?", "how many legs has a cat", "hi", "who are you? " * 3, "ünï ☃"]
SAMPLING = Sampling(max_new_tokens=12)


@pytest.fixture
def pool(base: Base, random_adapter: AdapterMaker) -> ExpertPool:
    pool = ExpertPool(base)
    for name in ("red", "blue"):
        pool.add(name, random_adapter(base, name))
    return pool


def grown(
    pool: ExpertPool, prompts: list[Prompt], sampling: Sampling = SAMPLING
) -> list[list[Draft]]:
    """Copies of what stands after each step."""
    batch = OpenBatch(pool)
    drafts = batch.join(prompts, sampling)
    told = [copy.deepcopy(drafts)]
    while batch:
        batch.step()
        told.append(copy.deepcopy(drafts))
    return told


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
    model = peft_models(base, {"red": random_adapter(base, "red")})["red"]
    for text in TEXTS:
        plain = ask(base, model, text, 12)
        (draft,) = pool.drafts([Prompt(text, "red")], SAMPLING)
        assert (draft.text, draft.tokens) == (plain.text, len(plain.tokens))
        assert draft.log_probability == pytest.approx(plain.log_probability, abs=1e-3)
        assert draft.over


@pytest.mark.parametrize("end", [True, False])
def test_likelihoods_are_those_of_plain_peft(
    base: Base, random_adapter: AdapterMaker, pool: ExpertPool, end: bool
) -> None:
    folders = {name: random_adapter(base, name) for name in ("red", "blue")}
    models, blend = peft_models(base, folders), MixtureBlend(("", "blue"), (0.3, 0.7))
    (likely,) = pool.generate([Prompt(TEXTS[0], "red")], SAMPLING)
    completions = ["red", "a blue cat", "", likely]
    voices = ["red", None, blend]
    pairs = [(Prompt(t, v), c) for t in TEXTS for v in voices for c in completions]
    for (prompt, completion), found in zip(pairs, pool.likelihoods(pairs, end=end), strict=True):
        made = base.tokenizer(completion, add_special_tokens=False)["input_ids"]
        made = made[: base.context_length // 2] + [base.tokenizer.eos_token_id] * end
        ids = question(base, prompt.text, len(made))
        total, greedy = 0.0, True
        for at, token in enumerate(made):
            if prompt.voice is blend:
                each = [next_token(base, models[n], ids + made[:at]).exp() for n in ("", "blue")]
                scores = (0.3 * each[0] + 0.7 * each[1]).log()
            else:
                scores = next_token(base, models[str(prompt.voice or "")], ids + made[:at])
            total += float(scores[token])
            greedy = greedy and int(scores.argmax()) == token
        assert found.log_probability == pytest.approx(total, abs=1e-3)
        assert (found.tokens, found.greedy) == (len(made), greedy)


def test_the_likelihood_of_a_prompt_and_its_hidden_state(base: Base, pool: ExpertPool) -> None:
    likelihoods = pool.prompt_likelihoods([Prompt(text, None) for text in TEXTS])
    states = pool.hidden_states(TEXTS)
    for text, likelihood, state in zip(TEXTS, likelihoods, states, strict=True):
        ids = torch.tensor([question(base, text, 1)])
        with torch.no_grad():
            plain = base.model(input_ids=ids, output_hidden_states=True)
        logs = plain.logits[0, :-1, : len(base.tokenizer)].log_softmax(dim=-1)
        each = logs.gather(-1, ids[0, 1:, None])
        assert likelihood == pytest.approx(float(each.mean()), abs=1e-4)
        torch.testing.assert_close(state, plain.hidden_states[-1][0].mean(0), rtol=1e-3, atol=1e-4)
    assert pool.prompt_likelihoods([Prompt(TEXTS[0], "red")]) != likelihoods[:1]


def test_a_known_draft_is_not_made_again_until_its_expert_changes(
    base: Base, random_adapter: AdapterMaker
) -> None:
    pool = ExpertPool(base, remember=True)
    pool.add("red", random_adapter(base, "red"))
    prompt = Prompt("hi", "red")
    (first,) = pool.drafts([prompt], SAMPLING)
    assert pool.drafts([prompt], SAMPLING)[0] is first
    pool.learn(prompt, 12, Draft("from elsewhere", 3, -1.0, over=True))
    assert pool.generate([prompt], SAMPLING) == ["from elsewhere"]
    (streamed,) = grown(pool, [prompt])[-1]
    assert [piece.text for piece in streamed.pieces] == ["from elsewhere"]
    assert pool.generate([prompt], Sampling(max_new_tokens=11)) != ["from elsewhere"]
    assert pool.generate([prompt], Sampling(12, temperature=1.0)) != ["from elsewhere"]
    assert pool.generate([Prompt("hi", None)], SAMPLING) != ["from elsewhere"]
    pool.add("red", random_adapter(base, "red"))
    assert pool.generate([prompt], SAMPLING) == [first.text]


def test_a_merge_is_made_once_and_leaves_with_any_of_its_members(
    base: Base, random_adapter: AdapterMaker
) -> None:
    pool = ExpertPool(base, remember=True)
    for name in ("red", "blue"):
        pool.add(name, random_adapter(base, name))
    made = []

    def merge(other: str) -> Adapter:
        made.append(other)
        return read_adapter(random_adapter(base, other), base)

    voice = pool.merged("kind", ["red", "blue"], lambda: merge("one"))
    assert pool.merged("kind", ["blue", "red"], lambda: merge("two")) == voice
    assert made == ["one"]
    before = pool.generate([Prompt(TEXTS[0], voice)], SAMPLING)
    (draft,) = grown(pool, [Prompt(TEXTS[0], voice)])[-1]
    assert all(piece.shares == {"blue": 0.5, "red": 0.5} for piece in draft.pieces)
    pool.add("blue", random_adapter(base, "blue"))
    with pytest.raises(KeyError):
        pool.generate([Prompt("hi", voice)], SAMPLING)
    assert pool.merged("kind", ["red", "blue"], lambda: merge("another")) == voice
    assert pool.generate([Prompt(TEXTS[0], voice)], SAMPLING) != before
    assert pool.names == {"red", "blue"}


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_streamed_pieces_join_to_the_answer(pool: ExpertPool, temperature: float) -> None:
    sampling = Sampling(max_new_tokens=12, temperature=temperature)
    told = [""] * len(mixed())
    for drafts in grown(pool, mixed(), sampling):
        for row, draft in enumerate(drafts):
            assert draft.text.startswith(told[row])
            assert "".join(piece.text for piece in draft.pieces) == draft.text
            told[row] = draft.text
    assert all(draft.over for draft in drafts)
    assert told == pool.generate(mixed(), sampling)
    for prompt, draft in zip(mixed(), drafts, strict=True):
        assert all(piece.shares == {prompt.voice or "": 1.0} for piece in draft.pieces)


def test_removing_an_expert_leaves_the_others_as_they_were(pool: ExpertPool) -> None:
    others = [prompt for prompt in mixed() if prompt.voice != "red"]
    before = pool.generate(others, SAMPLING)
    pool.remove("red")
    assert pool.names == {"blue"}
    assert pool.generate(others, SAMPLING) == before
    with pytest.raises(KeyError):
        pool.generate([Prompt("hi", "red")], SAMPLING)
    pool.remove("blue")
    base_only = [prompt for prompt in others if prompt.voice is None]
    kept = [text for text, prompt in zip(before, others, strict=True) if prompt.voice is None]
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
    assert grown(pool, []) == [[]] and not OpenBatch(pool)
    assert pool.likelihoods([]) == []
    assert pool.prompt_likelihoods([]) == []
    assert pool.hidden_states([]).shape[0] == 0


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


def test_an_expert_without_a_name_is_refused(llama: Base, random_adapter: AdapterMaker) -> None:
    with pytest.raises(AdapterError, match="cannot be called"):
        ExpertPool(llama).add("", random_adapter(llama, "good"))
