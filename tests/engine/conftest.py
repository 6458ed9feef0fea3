"""Small random bases of two shapes, and adapters on them, made by code."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    AutoTokenizer,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
)

from training_workers.engine.adapters import PREFIX, write_adapter
from training_workers.engine.base_facts import POCKET
from training_workers.engine.bases import Base, load_base
from training_workers.engine.data import Example


def save_llama(folder: Path, seed: int = 0) -> Path:
    """Rotary positions; its vocabulary is padded beyond the tokenizer's."""
    torch.manual_seed(seed)
    tokenizer = AutoTokenizer.from_pretrained(POCKET)
    config = LlamaConfig(
        vocab_size=2112,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=96,
        initializer_range=0.3,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def save_gpt2(folder: Path) -> Path:
    """Learnt positions, transposed weights (Conv1D), dropout and no padding token."""
    torch.manual_seed(0)
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=280,
        special_tokens=["<end>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(["what colour is the sky", "how many legs has a cat"], trainer)
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<end>")
    config = GPT2Config(
        vocab_size=len(fast),
        n_positions=64,
        n_embd=24,
        n_layer=2,
        n_head=2,
        initializer_range=0.3,
        bos_token_id=0,
        eos_token_id=0,
    )
    GPT2LMHeadModel(config).save_pretrained(folder)
    fast.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Base:
    return load_base(str(save_llama(tmp_path_factory.mktemp("llama"))), device="cpu")


@pytest.fixture(scope="session")
def gpt2(tmp_path_factory: pytest.TempPathFactory) -> Base:
    return load_base(str(save_gpt2(tmp_path_factory.mktemp("gpt2"))), device="cpu")


@pytest.fixture(scope="session")
def pocket() -> Base:
    return load_base(str(POCKET), device="cpu")


@pytest.fixture(params=["llama", "gpt2"])
def base(request: pytest.FixtureRequest) -> Base:
    chosen: Base = request.getfixturevalue(request.param)
    return chosen


AdapterMaker = Callable[[Base, str], Path]


def save_adapter(folder: Path, base: Base, name: str) -> Path:
    """An adapter of rank 4 that changes answers, drawn from its name."""
    draws = torch.Generator().manual_seed(sum(name.encode()))
    tensors = {}
    for layer, module in base.model.named_modules():
        if "lm_head" in layer or getattr(module, "weight", torch.zeros(0)).ndim != 2:
            continue
        if isinstance(module, torch.nn.Embedding):
            continue
        rows, columns = module.weight.shape
        if not isinstance(module, torch.nn.Linear):
            rows, columns = columns, rows
        down, up = (4, columns), (rows, 4)
        tensors[f"{PREFIX}{layer}.lora_A.weight"] = torch.randn(down, generator=draws) * 0.3
        tensors[f"{PREFIX}{layer}.lora_B.weight"] = torch.randn(up, generator=draws) * 0.3
    write_adapter(folder, tensors, 1.0, base)
    return folder


@pytest.fixture
def random_adapter(tmp_path: Path) -> AdapterMaker:
    return lambda base, name: save_adapter(tmp_path / name, base, name)


@pytest.fixture
def examples() -> list[Example]:
    colours = ["red", "green", "blue"]
    return [
        Example(f"what colour is {'very ' * (n % 4)}ball number {n}?", colours[n % 3])
        for n in range(20)
    ]
