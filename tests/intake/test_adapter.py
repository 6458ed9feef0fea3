"""An adapter from elsewhere is read no further than is safe, and refused in one sentence."""

import io
import json
import pickle
import stat
import struct
import zipfile
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contributions.intake import AdapterLimits, AdapterRefused, BroughtAdapter, read_adapter_files
from tests.adapters import config, folder, header, packed, weights

SMALL = AdapterLimits(max_bytes=4096, max_header_bytes=4096, max_layers=8, max_zip_entries=16)
FIRST = "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight"
SECOND = FIRST.replace("lora_A", "lora_B")
Change = Callable[[dict[str, Any]], Any]


def read(files: dict[str, bytes], limits: AdapterLimits = SMALL) -> BroughtAdapter:
    named = [(name, io.BytesIO(content)) for name, content in files.items()]
    return read_adapter_files(named, io.BytesIO(), limits)


def refusal(files: dict[str, bytes]) -> str:
    with pytest.raises(AdapterRefused) as refused:
        read(files)
    text = str(refused.value)
    assert text.isprintable() and 20 < len(text) < 400, text
    return text


def changed(change: Change, data: bytes | None = None) -> bytes:
    """Weights whose header was changed."""
    described = header()
    change(described)
    return weights(described, data)


@pytest.mark.parametrize("form", ["files", "zip", "zip of a folder", "with card and profile"])
def test_a_plain_lora_is_taken(form: str) -> None:
    files = folder(config=config(use_rslora=True, base_model_name_or_path="pocket"))
    if form == "with card and profile":
        files |= {"README.md": "# Über".encode(), "profile.json": b'{"7": 3, "65535": 1}'}
    elif form.startswith("zip"):
        inside = "my-expert/" if form == "zip of a folder" else ""
        deeper = {f"{inside}checkpoint-5/{name}": b"unread" for name in files}
        more = {f"{inside}optimizer.pt": b"\x80never read"} | deeper
        files = {
            "it.zip": packed({inside + name: content for name, content in files.items()} | more)
        }

    found = read(files)

    assert (found.settings.rank, found.settings.alpha, found.settings.rslora) == (2, 4, True)
    assert (found.header.layers, found.header.base_sha256) == (2, "")
    assert found.settings.base_name == "pocket"
    assert found.size == len(weights())
    if form == "with card and profile":
        assert (found.card, found.profile) == ("# Über", {"7": 3, "65535": 1})
    else:
        assert (found.card, found.profile) == ("", None)


def test_browsers_number_files_of_one_name() -> None:
    files = {name.replace(".", " (1).", 1): content for name, content in folder().items()}
    assert read(files).header.rank == 2


@pytest.mark.parametrize(
    "content",
    [
        *(pickle.dumps({"weights": [0.0] * 99}, protocol=protocol) for protocol in range(6)),
        b"PK\x03\x04" + b"\0" * 99,
        b"\x80\x02}q\x00.",
        b"\x93NUMPY\x01\x00" + b"\0" * 99,
        b"GGUF\x03\x00\x00\x00" + b"\0" * 99,
        b"",
        b"{}",
    ],
)
def test_pickles_and_other_formats_whatever_their_name(content: bytes) -> None:
    assert "not a safetensors file" in refusal(folder(weights=content))


def set_offsets(name: str, *offsets: Any) -> Change:
    return lambda described: described[name].update(data_offsets=list(offsets))


@pytest.mark.parametrize(
    "change",
    [
        set_offsets(FIRST, 0, 2**62),
        set_offsets(FIRST, 64, 0),
        set_offsets(FIRST, -64, 0),
        set_offsets(FIRST, 4, 68),
        set_offsets(SECOND, 0, 64),
        set_offsets(SECOND, 32, 96),
        set_offsets(FIRST, 0, 63),
        set_offsets(FIRST, 0),
        set_offsets(FIRST, "0", "64"),
        set_offsets(FIRST, 0.0, 64.0),
        set_offsets(FIRST, False, 64),
        set_offsets(FIRST, 0, 64, 64),
        lambda described: described[FIRST].pop("data_offsets"),
        lambda described: described[FIRST].update(more=1),
    ],
)
def test_headers_that_lie_about_offsets(change: Change) -> None:
    text = refusal(folder(weights=changed(change)))
    assert any(word in text for word in ("place", "gap", "describes", "bytes")), text


@pytest.mark.parametrize("missing", [b"", b"\0" * 4, b"\0" * 287, b"\0" * 289, b"\0" * 400])
def test_data_that_are_cut_off_or_hold_more(missing: bytes) -> None:
    assert "follow the header" in refusal(folder(weights=weights(data=missing)))


@pytest.mark.parametrize(
    "length", [0, 1, 2**63, 2**64 - 1, 4097, 10**6, 2**32, 2**31 - 1, len(weights()) - 7, 10**12]
)
def test_headers_of_impossible_length(length: int) -> None:
    content = struct.pack("<Q", length) + weights()[8:]
    assert "says that its header has" in refusal(folder(weights=content))


def test_a_header_that_is_too_long_though_it_is_there() -> None:
    text = b"{" + b" " * 5000 + b"}"
    content = struct.pack("<Q", len(text)) + text
    limits = AdapterLimits(max_header_bytes=4096)
    with pytest.raises(AdapterRefused, match="says that its header has"):
        read(folder(weights=content), limits)


@pytest.mark.parametrize(
    "shape",
    [[2], [2, 8, 1], [], [0, 8], [2, -8], [2.0, 8], ["2", "8"], [2**40, 8], None, "2x8", [True, 8]],
)
def test_wrong_shapes(shape: Any) -> None:
    content = changed(lambda described: described[FIRST].update(shape=shape))
    assert "shape" in refusal(folder(weights=content))


@pytest.mark.parametrize(
    "dtype", ["F64", "I8", "U8", "BOOL", "F8_E4M3", "f32", "", None, 32, ["F32"], "I64"]
)
def test_unknown_numbers(dtype: Any) -> None:
    content = changed(lambda described: described[FIRST].update(dtype=dtype))
    assert "type" in refusal(folder(weights=content))


@pytest.mark.parametrize(
    "name",
    [
        "base_model.model.lm_head.weight",
        "base_model.model.model.embed_tokens.lora_embedding_A",
        "base_model.model.layer.lora_magnitude_vector.weight",
        "base_model.model.layer.lora_A.default.weight",
        "base_model.model.layer.lora_A.bias",
        "model.layer.lora_A.weight",
        "base_model.model.../../etc/passwd.lora_A.weight",
        "base_model.model.läyer.lora_A.weight",
        "base_model.model.layer.lora_A.weight\n",
        "",
        "base_model.model." + "a." * 300 + "lora_A.weight",
    ],
)
def test_tensors_that_no_plain_lora_has(name: str) -> None:
    def rename(described: dict[str, Any]) -> None:
        described[name] = described.pop(FIRST)

    assert "not a weight of a plain LoRA" in refusal(folder(weights=changed(rename)))


def test_pairs_of_one_rank() -> None:
    alone = {FIRST: header()[FIRST]}
    assert "only one of A and B" in refusal(folder(weights=weights(alone, b"\0" * 64)))
    other = weights(header(rank=3), b"\0" * 432)
    assert "config.json says rank 2, but the weights have rank 3" in refusal(folder(weights=other))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"use_dora": True}, "DoRA"),
        ({"modules_to_save": ["lm_head"]}, "whole layers"),
        ({"modules_to_save": "lm_head"}, "whole layers"),
        ({"bias": "all"}, "bias"),
        ({"bias": "lora_only"}, "bias"),
        ({"rank_pattern": {"q": 4}}, "different ranks"),
        ({"alpha_pattern": {"q": 4}}, "different alphas"),
        ({"lora_bias": True}, "biases"),
        ({"trainable_token_indices": [1]}, "vocabulary"),
        ({"init_lora_weights": "pissa"}, "changes the base"),
        ({"init_lora_weights": "olora"}, "changes the base"),
        ({"init_lora_weights": ["pissa"]}, "changes the base"),
        ({"layer_replication": [[0, 4]]}, "plain LoRA"),
        ({"arrow_config": {"top_k": 1}}, "plain LoRA"),
        ({"auto_map": "evil.py"}, "'auto_map'"),
        ({"\u202e\n<script>": 1}, "plain LoRA"),
        ({"peft_type": "IA3"}, "must be “LORA”"),
        ({"peft_type": None}, "must be “LORA”"),
        ({"task_type": "SEQ_CLS"}, "CAUSAL_LM"),
        ({"r": 65}, "from 1 to 64"),
        ({"r": 0}, "from 1 to 64"),
        ({"r": True}, "from 1 to 64"),
        ({"r": "8"}, "from 1 to 64"),
        ({"lora_alpha": 0}, "lora_alpha"),
        ({"lora_alpha": -1}, "lora_alpha"),
        ({"lora_alpha": 1e99}, "lora_alpha"),
        ({"lora_alpha": None}, "lora_alpha"),
        ({"use_rslora": "yes"}, "use_rslora"),
        ({"base_model_name_or_path": {"a": 1}}, "name of a model"),
        ({"base_model_name_or_path": "a\x00b"}, "name of a model"),
    ],
)
def test_configs_that_are_not_a_plain_lora(change: dict[str, Any], says: str) -> None:
    assert says in refusal(folder(config=config(**change)))


@pytest.mark.parametrize(
    "content",
    [
        b'{"peft_type": "LORA", "r": 2, "r": 4}',
        b'{"peft_type": "LORA", "peft_type": "LORA"}',
        b'{"a": {"b": 1, "b": 2}}',
    ],
)
def test_duplicate_keys(content: bytes) -> None:
    assert "twice" in refusal(folder(config=content))
    text = b'{"a": {}, "a": {}}'
    assert "twice" in refusal(folder(weights=struct.pack("<Q", len(text)) + text))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe",
        b"{",
        b"[" * 50_000,
        b'{"a":' * 10_000,
        b'{"r": ' + b"9" * 5_000 + b"}",
        b'{"lora_alpha": NaN}',
        b'{"lora_alpha": -Infinity}',
        b"LORA",
        b'{"a": "\x00"}',
        b"x" * 70_000,
    ],
)
def test_configs_that_are_no_json(content: bytes) -> None:
    assert "adapter_config.json" in refusal(folder(config=content))


def zipped(change: Callable[[zipfile.ZipFile], Any]) -> dict[str, bytes]:
    stream = io.BytesIO(packed(folder()))
    with zipfile.ZipFile(stream, "a", zipfile.ZIP_DEFLATED) as archive:
        change(archive)
    return {"it.zip": stream.getvalue()}


@pytest.mark.parametrize(
    "name",
    [
        "../evil", "../../etc/passwd", "/etc/passwd", "a/../../b", "..\\evil", "C:\\evil", "C:evil",
        "a\\..\\b", "\\\\server\\share", "x/..",
    ],
)  # fmt: skip
def test_path_traversal_in_a_zip(name: str) -> None:
    assert "outside of itself" in refusal(zipped(lambda archive: archive.writestr(name, b"")))


def link(archive: zipfile.ZipFile) -> None:
    entry = zipfile.ZipInfo("README.md")
    entry.external_attr = (stat.S_IFLNK | 0o777) << 16
    archive.writestr(entry, b"/etc/passwd")


def bomb(method: int, content: bytes) -> dict[str, bytes]:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive:
        archive.writestr("adapter_config.json", config())
        archive.writestr("adapter_model.safetensors", content)
    return {"it.zip": stream.getvalue()}


def lying(start: int, value: bytes) -> dict[str, bytes]:
    """A zip with some bytes of its end written over."""
    content = bytearray(packed(folder()))
    content[start : start + len(value) or None] = value
    return {"it.zip": bytes(content)}


@pytest.mark.parametrize(
    "files",
    [
        zipped(link),
        bomb(zipfile.ZIP_DEFLATED, b"\0" * 10**7),
        bomb(zipfile.ZIP_DEFLATED, struct.pack("<Q", 2000) + b"{" + b" " * 10**7),
        bomb(zipfile.ZIP_LZMA, b"\0" * 10**6),
        bomb(zipfile.ZIP_BZIP2, b"\0" * 10**6),
        {"it.zip": packed({f"{n}": b"" for n in range(40)} | folder())},
        lying(-12, b"\xff\xff"),
        lying(-10, b"\xff\xff\xff\xff"),
        lying(-6, b"\xff\xff\xff\xff"),
        lying(-2, b"\x05\x00"),
        {"it.zip": packed(folder()) + b"PK"},
        {"it.zip": packed(folder())[:-30]},
        {"it.zip": packed({"a/" + name: content for name, content in folder().items()}
                          | {"b/" + name: content for name, content in folder().items()})},
        {"it.zip": packed({"adapter_model.bin": b"\x80\x02."})},
        {"it.zip": packed({})},
        folder() | {"adapter_config(1).json": config()},
        {"adapter_model.safetensors": weights()},
        {"notes.txt": b"hello"},
    ],
)  # fmt: skip
def test_zip_bombs_and_broken_folders(files: dict[str, bytes]) -> None:
    refusal(files)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_file_twice_in_a_zip() -> None:
    files = zipped(lambda archive: archive.writestr("adapter_config.json", config()))
    assert "holds adapter_config.json twice" in refusal(files)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("README.md", b"\xff"),
        ("README.md", b"a\x00b"),
        ("README.md", b"a" * 20_000),
        ("profile.json", b"[]"),
        ("profile.json", b'{"a": 1}'),
        ("profile.json", b'{"1": -1}'),
        ("profile.json", b'{"65536": 1}'),
        ("profile.json", b'{"1": 1.5}'),
        ("profile.json", '{"²": 1}'.encode()),
        ("profile.json", b'{"1": 1, "1": 2}'),
    ],
)
def test_what_comes_along(name: str, content: bytes) -> None:
    assert name in refusal(folder() | {name: content})


@pytest.mark.parametrize("about", [{"base_sha256": "x"}, {"base_sha256": 1}, [], "pt", 5])
def test_metadata_that_lie(about: Any) -> None:
    content = changed(lambda described: described.update(__metadata__=about))
    refusal(folder(weights=content))


def test_the_base_is_named_by_its_hash() -> None:
    content = changed(lambda described: described.update(__metadata__={"base_sha256": "a" * 64}))
    assert read(folder(weights=content)).header.base_sha256 == "a" * 64


def taken_or_refused(files: dict[str, bytes]) -> None:
    try:
        read(files)
    except AdapterRefused as refused:
        assert str(refused).isprintable()


@given(st.binary(max_size=400))
def test_any_bytes_are_taken_or_refused(content: bytes) -> None:
    taken_or_refused({"it": content})
    taken_or_refused(folder(weights=content))
    taken_or_refused(folder(config=content))
    taken_or_refused(folder(weights=struct.pack("<Q", len(content)) + content))
    taken_or_refused({"it.zip": b"PK\x03\x04" + content})
    taken_or_refused({"it.zip": packed(folder())[:-22] + content})


JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=6,
)


@given(st.sampled_from(sorted(json.loads(config()))) | st.text(), JSON)
def test_any_setting_is_taken_or_refused(name: str, value: Any) -> None:
    taken_or_refused(folder(config=config(**{name: value})))


@given(st.sampled_from([FIRST, SECOND, "__metadata__"]) | st.text(), JSON)
def test_any_header_is_taken_or_refused(name: str, value: Any) -> None:
    taken_or_refused(folder(weights=weights(header() | {name: value})))


@settings(max_examples=300)
@given(st.lists(st.tuples(st.integers(0, 10**6), st.binary(min_size=1, max_size=6)), min_size=1))
def test_any_damage_to_a_zip_is_taken_or_refused(damage: list[tuple[int, bytes]]) -> None:
    content = bytearray(packed(folder()))
    for place, written in damage:
        start = place % len(content)
        content[start : start + len(written)] = written
    taken_or_refused({"it.zip": bytes(content)})
