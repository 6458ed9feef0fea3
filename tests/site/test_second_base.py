"""The whole loop on a base that we did not ship: another architecture, another tokenizer."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import GPTNeoXConfig, GPTNeoXForCausalLM, PreTrainedTokenizerFast

from mosaic_site.supervisor.stack import REPOSITORY

pytestmark = pytest.mark.slow

ROWS = {
    "balls": [
        (f"which colour has ball number {n}?", ("red", "green", "blue")[n % 3]) for n in range(60)
    ],
    "animals": [(f"how many legs have {n} cats?", str(4 * n)) for n in range(60)],
}


def save_neox(folder: Path) -> None:
    """A random GPT-NeoX: one matrix for queries, keys and values, rotary positions on a part of
    each head, attention beside the feed-forward layer; with biases everywhere."""
    torch.manual_seed(0)
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=320,
        special_tokens=["<stop>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([prompt for rows in ROWS.values() for prompt, _ in rows], trainer)
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<stop>")
    config = GPTNeoXConfig(
        vocab_size=len(fast),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        rotary_pct=0.5,
        max_position_embeddings=128,
        bos_token_id=0,
        eos_token_id=0,
    )
    GPTNeoXForCausalLM(config).save_pretrained(folder)
    fast.save_pretrained(folder)


def test_the_loop_closes_on_a_base_of_another_shape(tmp_path: Path) -> None:
    base, data, out = tmp_path / "neox", tmp_path / "data", tmp_path / "report.json"
    save_neox(base)
    data.mkdir()
    for name, pairs in ROWS.items():
        lines = [json.dumps({"prompt": prompt, "completion": answer}) for prompt, answer in pairs]
        (data / f"{name}.train.jsonl").write_text("\n".join(lines) + "\n")
    options = ["--data", data, "--base", base, "--json", out, "--workers", "1"]
    done = subprocess.run(
        [sys.executable, "manage.py", "rehearse", *map(str, options)],
        cwd=REPOSITORY,
        env=os.environ | {"MOSAIC_CONTROLS": "monolith"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "neox: " in done.stdout  # it is the base that was registered
    report = json.loads(out.read_text())
    assert report["closed"] is True
    assert set(report["names"]) == set(ROWS)
    assert set(report["release"]["expert_names"].values()) == set(ROWS)
    assert report["release"]["controls"]["monolith"]["sha256"]
