"""Builds `pocket`, the small base that is shipped: its corpus, tokenizer and training."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from torch.nn.functional import cross_entropy
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from training_workers.engine.corpus import Corpus
from training_workers.engine.data import Encoded, encode_example
from training_workers.engine.lexicon import Lexicon
from training_workers.engine.muon import Muon

VOCABULARY = 2048
CONTEXT_LENGTH = 1024
END, PAD = "<|end|>", "<|pad|>"
PROMPT_WEIGHT = 0.3
"""A token of a prompt counts less: most of it is chance, the answer is what there is to learn."""


def train_tokenizer(seed: int) -> PreTrainedTokenizerFast:
    """Byte-level BPE: common words are one token and every text has tokens."""
    lexicon = Lexicon.read()
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=[PAD, END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    documents = (
        f"{example.prompt}\n{example.completion}"
        for example in islice(Corpus(lexicon, seed), 20_000)
    )
    function_words = [" ".join(lexicon.function)] * 40
    tokenizer.train_from_iterator([*documents, *function_words], trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token=END,
        pad_token=PAD,
        model_max_length=CONTEXT_LENGTH,
        clean_up_tokenization_spaces=False,
    )


@dataclass(frozen=True)
class Size:
    """The default has about a million parameters, most of them in the layers."""

    hidden: int = 128
    layers: int = 4


def new_model(
    tokenizer: PreTrainedTokenizerFast, seed: int, size: Size | None = None
) -> LlamaForCausalLM:
    """A model with random weights."""
    size = size or Size()
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=size.hidden,
        intermediate_size=3 * size.hidden,
        num_hidden_layers=size.layers,
        num_attention_heads=4,
        max_position_embeddings=CONTEXT_LENGTH,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return LlamaForCausalLM(config)


def batches(
    tokenizer: PreTrainedTokenizerFast, corpus: Corpus, batch_tokens: int
) -> Iterator[list[Encoded]]:
    """Batches of documents of like length, about `batch_tokens` tokens each, in random order."""
    documents = iter(corpus)
    while True:
        pool = [encode_example(tokenizer, one, CONTEXT_LENGTH) for one in islice(documents, 4096)]
        pool.sort(key=lambda one: len(one.ids))
        cut: list[list[Encoded]] = [[]]
        for one in pool:
            if len(one.ids) * (len(cut[-1]) + 1) > batch_tokens:
                cut.append([])
            cut[-1].append(one)
        corpus.random.shuffle(cut)
        yield from cut


def loss_of(model: LlamaForCausalLM, batch: list[Encoded], pad: int) -> torch.Tensor:
    """Mean next-token loss in nats; `ids` is (documents, longest), padded on the right."""
    longest = max(len(one.ids) for one in batch)
    ids = torch.full((len(batch), longest), pad)
    weights = torch.zeros(len(batch), longest)
    for row, one in enumerate(batch):
        length = len(one.ids)
        ids[row, :length] = torch.tensor(one.ids)
        weights[row, : length - one.answer_length] = PROMPT_WEIGHT
        weights[row, length - one.answer_length : length] = 1.0
    logits = model(input_ids=ids).logits[:, :-1]
    losses = cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten(), reduction="none")
    counted = weights[:, 1:].flatten()
    return (losses * counted).sum() / counted.sum()


def build(
    out: Path,
    *,
    tokens: int = 2_300_000,
    batch_tokens: int = 2048,
    seed: int = 1,
    size: Size | None = None,
    on_step: Callable[[int, int, float], None] = lambda step, steps, loss: None,
) -> None:
    """Train `pocket` on `tokens` tokens and write it to `out`; the seed decides everything."""
    tokenizer = train_tokenizer(seed)
    model = new_model(tokenizer, seed, size)
    matrices = [p for name, p in model.named_parameters() if p.ndim == 2 and "embed" not in name]
    others = [p for name, p in model.named_parameters() if p.ndim != 2 or "embed" in name]
    optimizers = [
        Muon(matrices, lr=2e-2),
        torch.optim.AdamW(others, lr=5e-3, betas=(0.9, 0.95), weight_decay=0.0),
    ]
    peaks = [optimizer.param_groups[0]["lr"] for optimizer in optimizers]
    steps = tokens // batch_tokens
    corpus = Corpus(Lexicon.read(), seed + 1)
    for step, batch in enumerate(islice(batches(tokenizer, corpus, batch_tokens), steps)):
        pace = min(1.0, (step + 1) / 50, 2 * (1 - step / steps))
        for optimizer, peak in zip(optimizers, peaks, strict=True):
            optimizer.param_groups[0]["lr"] = peak * pace
        loss = loss_of(model, batch, int(tokenizer.pad_token_id))
        loss.backward()
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()
        on_step(step + 1, steps, loss.item())
    model.save_pretrained(out)
    tokenizer.save_pretrained(out)


def report_to_terminal() -> Callable[[int, int, float], None]:
    """An `on_step` that prints a line every hundred steps."""
    started = time.monotonic()

    def on_step(step: int, steps: int, loss: float) -> None:
        if step % 100 == 0 or step == steps:
            print(f"step {step}/{steps} loss {loss:.3f} {time.monotonic() - started:.0f} s")

    return on_step
