import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.engine.conftest import save_gpt2, save_llama
from training_workers.engine.base_facts import POCKET, BaseError, describe_base
from training_workers.engine.bases import Base, load_base


def test_the_engine_imports_no_django() -> None:
    """Nor anything of the site but the reader of evaluation tasks."""
    code = (
        "import sys, pkgutil, importlib, training_workers.engine as e\n"
        "for m in pkgutil.iter_modules(e.__path__):\n"
        "    importlib.import_module(f'{e.__name__}.{m.name}')\n"
        "site = ('django', 'mosaic_site', 'contributions', 'governance')\n"
        "allowed = ('contributions', 'contributions.evaluation_tasks')\n"
        "found = [m for m in sys.modules if m.split('.')[0] in site\n"
        "         and m not in allowed and not m.startswith(allowed[1] + '.')]\n"
        "sys.exit(str(found) if found else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_describe_agrees_with_load(tmp_path: Path) -> None:
    folder = save_llama(tmp_path)
    facts, base = describe_base(str(folder)), load_base(str(folder), device="cpu")
    assert (facts.sha256, facts.parameters, facts.context_length) == (
        base.sha256,
        sum(p.numel() for p in base.model.parameters()),
        96,
    )


def test_the_hash_names_the_weights(tmp_path: Path) -> None:
    one = describe_base(str(save_llama(tmp_path / "one", seed=1)))
    same = describe_base(str(save_llama(tmp_path / "same", seed=1)))
    other = describe_base(str(save_llama(tmp_path / "other", seed=2)))
    assert one.sha256 == same.sha256 != other.sha256


def test_a_tokenizer_without_padding_token_gets_one(gpt2: Base) -> None:
    assert gpt2.tokenizer.pad_token_id == gpt2.tokenizer.eos_token_id


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda f: (f / "model.safetensors").rename(f / "pytorch_model.bin"), "no safetensors"),
        (lambda f: (f / "config.json").unlink(), "no config.json"),
        (lambda f: (f / "config.json").write_text("{"), "damaged"),
        (lambda f: (f / "model.safetensors").write_bytes(b"no"), "damaged"),
        (lambda f: (f / "tokenizer.json").unlink(), "cannot be loaded"),
    ],
)
def test_a_spoilt_base_is_refused(tmp_path: Path, spoil: object, reason: str) -> None:
    folder = save_gpt2(tmp_path)
    assert callable(spoil)
    spoil(folder)
    with pytest.raises(BaseError, match=reason):
        load_base(str(folder), device="cpu")


def test_a_source_that_is_neither_folder_nor_id_is_refused() -> None:
    with pytest.raises(BaseError, match="neither a folder on this machine nor the id"):
        describe_base("no/such/folder")


def test_a_twin_shares_the_weights(llama: Base) -> None:
    twin = llama.twin()
    assert twin is not llama.model
    for one, other in zip(twin.parameters(), llama.model.parameters(), strict=True):
        assert one is other


def test_pocket_is_small_and_licensed(tmp_path: Path) -> None:
    facts = describe_base(str(POCKET))
    assert facts.licence == "apache-2.0"
    assert facts.context_length >= 512
    assert sum(path.stat().st_size for path in POCKET.iterdir()) <= 10 * 2**20
    shutil.copytree(POCKET, tmp_path / "copy")
    assert describe_base(str(tmp_path / "copy")).sha256 == facts.sha256


def test_loading_freezes_the_weights(base: Base) -> None:
    assert not any(p.requires_grad for p in base.model.parameters())
    assert base.model.dtype == torch.float32
