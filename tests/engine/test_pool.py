import copy
import json
import random
import shutil
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from tests.engine.conftest import AdapterMaker
from tests.engine.plain import Models, ask, next_token, peft_models, question
from training_workers.engine.adapters import (
    CONFIG,
    PREFIX,
    WEIGHTS,
    Adapter,
    AdapterError,
    read_adapter,
)
from training_workers.engine.bases import Base
from training_workers.engine.decoding import choose, decode, shown
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


def plain_answer(
    base: Base, models: Models, prompt: Prompt, sampling: Sampling
) -> tuple[str, list[int], list[float]]:
    """Greedily, all of the text read again for every token; the text, tokens, and gains."""
    blend = prompt.blend
    ids = list(prompt.ids or question(base, prompt.text, sampling.max_new_tokens))
    made: list[int] = []
    gains = []
    while len(made) < sampling.max_new_tokens:
        each = [next_token(base, models[str(voice)], ids + made) for voice in prompt.voices]
        scores = each[0] if blend is None else blend.combine(torch.stack(each))
        made.append(int(scores.argmax()))
        gains.append(float(scores.max()))
        text = decode(base.tokenizer, made)
        text = text if prompt.ids else text.strip()
        if (ends := [text.find(end) for end in sampling.stop if end in text]) or made[-1] == (
            base.tokenizer.eos_token_id
        ):
            text = text[: min(ends)] if ends else text
            return (text if prompt.ids else text.strip()), made, gains
    return text, made, gains


@pytest.mark.parametrize("seed", range(3))
def test_whoever_joins_whenever_is_answered_as_alone(
    base: Base, random_adapter: AdapterMaker, pool: ExpertPool, seed: int
) -> None:
    """Rows of any voice, length, stop text and number of tokens join between any two tokens and
    leave when they are over, or are made to; each is told what the plain way tells, token by
    token."""
    draws = random.Random(seed)
    models = peft_models(base, {name: random_adapter(base, name) for name in ("red", "blue")})
    blend = MixtureBlend(("", "blue"), (0.3, 0.7))
    batch = OpenBatch(pool)
    asked: list[tuple[Prompt, Sampling, Draft]] = []
    given_up: list[Draft] = []
    while len(asked) < 14 or batch:
        if len(asked) < 14 and draws.random() < 0.5:
            for _ in range(draws.randint(1, 3)):
                text = draws.choice(TEXTS)
                ids = tuple(base.tokenizer(text)["input_ids"]) if draws.random() < 0.3 else None
                prompt = Prompt(text, draws.choice(["red", "blue", None, blend]), ids)
                stop = tuple(draws.sample(["a", "e", "zz"], draws.randint(0, 2)))
                sampling = Sampling(draws.randint(1, 12), stop=stop, alternatives=2)
                (draft,) = batch.join([prompt], sampling)
                asked.append((prompt, sampling, draft))
        if draws.random() < 0.05 and (open_ := [draft for *_, draft in asked if draft in batch]):
            given_up.append(draws.choice(open_))
            batch.leave(given_up[-1:])
        batch.step()
    for prompt, sampling, draft in asked:
        if any(draft is one for one in given_up):
            assert not draft.over
            continue
        text, made, gains = plain_answer(base, models, prompt, sampling)
        told = [token for piece in draft.pieces for token in piece.tokens]
        assert draft.text == text == "".join(piece.text for piece in draft.pieces)
        assert [token.id for token in told] == made
        assert [token.log_probability for token in told] == pytest.approx(gains, abs=1e-3)
        assert draft.log_probability == pytest.approx(sum(gains), abs=1e-2)
        for token in told:
            assert token.alternatives is not None
            assert token.log_probability == max(token.alternatives.values())


def test_a_batch_holds_no_more_than_its_longest_row_needs(pool: ExpertPool) -> None:
    batch = OpenBatch(pool)
    (long,) = batch.join([Prompt("word " * 30, "red")], Sampling(1, stop=()))
    (short,) = batch.join([Prompt("hi", "blue")], Sampling(30))
    batch.step()
    assert long.over and not short.over
    assert batch._cache is not None
    assert batch._cache.mask.shape == (1, short.prompt_tokens)
    assert all(
        layer.keys.shape[0] == 1 and layer.keys.shape[2] == short.prompt_tokens
        for layer in batch._cache.tokens.layers
    )


def test_each_row_is_drawn_by_its_own_sampling(pool: ExpertPool) -> None:
    prompts = [Prompt(text, "red") for text in TEXTS]
    samplings = [
        Sampling(8, temperature=heat, seed=seed, top_p=top_p)
        for heat, seed, top_p in [(0, 0, 1), (0.9, 1, 1), (0.9, 2, 0.5), (2, 3, 0.9), (0.5, 1, 0.2)]
    ]
    batch = OpenBatch(pool)
    drafts = []
    for prompt, sampling in zip(prompts, samplings, strict=True):
        drafts += batch.join([prompt], sampling)
        batch.step()
    while batch:
        batch.step()
    alone = [pool.generate([p], s)[0] for p, s in zip(prompts, samplings, strict=True)]
    assert [draft.text for draft in drafts] == alone
    # So little of the distribution is that of the likeliest token alone.
    least = Sampling(8, temperature=1.5, top_p=1e-6)
    assert pool.generate(prompts, least) == pool.generate(prompts, Sampling(8))


def test_a_draw_keeps_to_the_nucleus() -> None:
    chances = torch.tensor([[0.1, 0.5, 0.15, 0.25]]).log()
    draws = torch.Generator().manual_seed(0)
    for top_p, kept in [
        (0.5, {1}),
        (0.51, {1, 3}),
        (0.75, {1, 3}),
        (0.76, {1, 2, 3}),
        (1, {0, 1, 2, 3}),
    ]:
        sampling = Sampling(temperature=1.0, top_p=top_p)
        found = {choose(chances, [sampling], [draws])[0] for _ in range(200)}
        assert found == kept


def test_the_tokens_of_a_prompt_are_told_with_what_stood_in_their_place(
    base: Base, random_adapter: AdapterMaker, pool: ExpertPool
) -> None:
    models = peft_models(base, {"red": random_adapter(base, "red")})
    batch = OpenBatch(pool)
    told = Sampling(0, echo=True, alternatives=3)
    prompts = [
        Prompt(text, voice, tuple(base.tokenizer(text)["input_ids"]))
        for text in TEXTS
        for voice in ("red", None)
    ]
    grows = batch.join([Prompt("hi", "blue")], Sampling(9))
    drafts = batch.join(prompts, told)
    while batch:
        batch.step()
    assert grows[0].text == pool.generate([Prompt("hi", "blue")], Sampling(9))[0]
    for prompt, draft in zip(prompts, drafts, strict=True):
        assert prompt.ids is not None
        assert (draft.text, draft.tokens, draft.finish) == ("", 0, "length")
        assert [token.id for token in draft.prompt] == list(prompt.ids)
        first, *rest = draft.prompt
        assert (first.log_probability, first.alternatives) == (None, None)
        for at, token in enumerate(rest, start=1):
            scores = next_token(base, models[str(prompt.voice or "")], list(prompt.ids[:at]))
            assert token.log_probability == pytest.approx(float(scores[token.id]), abs=1e-3)
            top = scores.topk(3).values.tolist()
            assert token.alternatives is not None
            assert list(token.alternatives.values()) == pytest.approx(top, abs=1e-3) or (
                len(token.alternatives) < 3
            )
    with pytest.raises(ValueError, match="max_new_tokens"):
        batch.join(prompts, Sampling(0))
    with pytest.raises(ValueError, match="tokens"):
        batch.join([Prompt("", None, ())], told)
    with pytest.raises(ValueError, match="tokens"):
        batch.join([Prompt("", None, (5,) * (base.context_length + 1))], told)


@given(st.text("ab ", max_size=12), st.lists(st.text("ab ", min_size=1, max_size=3), max_size=3))
def test_what_is_told_of_a_growing_text_stands(text: str, stop: list[str]) -> None:
    told = ""
    for end in range(len(text) + 1):
        now, stopped = shown(text[:end], stop, over=False)
        assert now.startswith(told)
        told = now
        if stopped:
            break
    whole, stopped = shown(text[:end], stop, over=True)
    assert whole.startswith(told) and not any(one in whole for one in stop)
    assert whole == text[:end] or (stopped and any(text.startswith(whole + one) for one in stop))


def test_a_merge_that_answers_now_is_not_dropped_for_another(
    base: Base, random_adapter: AdapterMaker, pool: ExpertPool
) -> None:
    adapter = read_adapter(random_adapter(base, "one"), base)
    voice = pool.merged("kind 0", ["red", "blue"], lambda: adapter)
    expected = pool.generate([Prompt(TEXTS[0], voice)], SAMPLING)
    batch = OpenBatch(pool)
    (draft,) = batch.join([Prompt(TEXTS[0], voice)], SAMPLING)
    for number in range(1, 9):
        batch.step()
        pool.merged(f"kind {number}", ["red", "blue"], lambda: adapter)
    while batch:
        batch.step()
    assert [draft.text] == expected


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
