"""What stands in a release folder beside the weights: its manifest, its model card, its strategy.

    manifest.json              what is in it, each part with its SHA-256
    README.md                  a model card, with the head that the Hub reads
    chat_template.jinja        messages as the experts read them, for servers of plain adapters
    strategy/strategy.json     how the experts are combined
    experts/<name>/            a PEFT adapter each: transformers and peft load it without us
    merged/                    for strategies at the weights: all experts as one PEFT adapter

The manifest is written last, so a folder that was broken off is no release. Needs no torch.
"""

import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from training_workers.engine.base_facts import POCKET, POCKET_NAME, hub_name
from training_workers.engine.data import SEPARATOR

MANIFEST, CARD, TEMPLATE = "manifest.json", "README.md", "chat_template.jinja"
STRATEGY, STRATEGY_FILE, MERGED = "strategy", "strategy.json", "merged"
FORMAT = 1

MERGES = frozenset({"soup", "ties"})
"""The strategies at the weights: all of their experts fit into one adapter."""
ROUTED = frozenset({"nearest"})
"""Those that send a question to one expert, each question to its own."""

_BREAK = '{{ "\\n" }}'
CHAT_TEMPLATE = (
    "{% if messages|length == 1 %}{{ messages[0].content|trim }}{% else %}"
    "{% for message in messages %}{{ message.role }}: {{ message.content|trim }}"
    f"{{% if not loop.last %}}{_BREAK}{{% endif %}}{{% endfor %}}{{% endif %}}"
    f"{{{{ {json.dumps(SEPARATOR)} }}}}"
)
"""Jinja, as transformers and vLLM read it."""

VLLM_RANKS = (8, 16, 32, 64, 128, 256, 320, 512)
"""What vLLM takes for --max-lora-rank. https://docs.vllm.ai/en/stable/features/lora/"""


class ReleaseError(Exception):
    """A folder is no release, or cannot become one; the message says why."""


@dataclass(frozen=True)
class About:
    """Whose an expert is and what others may do with it; empty where it is not known. `title` is
    what people call it, where its name is a number."""

    owner: str = ""
    licence: str = ""
    title: str = ""


@dataclass(frozen=True)
class Manifest:
    """What a release says of itself. `experts` have name, folder, sha256, owner and licence."""

    base: str
    base_sha256: str
    strategy: str
    strategy_sha256: str
    why: str
    created_by: str
    experts: list[dict[str, str]]
    merged_sha256: str | None = None
    format: int = FORMAT


def read_manifest(folder: Path) -> Manifest:
    """Raises ReleaseError where there is none, or one that cannot be trusted."""
    try:
        content = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        if content["format"] != FORMAT:
            raise ReleaseError(f"{folder} has a format that this version cannot read.")
        manifest = Manifest(**content)
        places = [expert["folder"] for expert in manifest.experts]
        if not all(re.fullmatch(r"experts/[A-Za-z0-9_-]+", place) for place in places):
            raise ReleaseError(f"The {MANIFEST} of {folder} names folders outside of it.")
    except OSError as error:
        raise ReleaseError(f"{folder} is not a release: it has no {MANIFEST}.") from error
    except (ValueError, KeyError, TypeError) as error:
        raise ReleaseError(f"The {MANIFEST} of {folder} is damaged.") from error
    return manifest


def base_of(folder: Path) -> str:
    """The source of the base that a release was composed on. Raises ReleaseError."""
    source = read_manifest(folder).base
    return str(POCKET) if source == POCKET_NAME else source


def folders_of(titles: Mapping[str, str]) -> dict[str, str]:
    """A folder for each name, called by its title: ASCII letters, digits, `-` and `_`, none twice
    in any case."""
    taken: set[str] = set()
    found = {}
    for name, title in titles.items():
        plain = re.sub(r"[^A-Za-z0-9_]+", "-", title).strip("-")[:60] or "expert"
        place, number = plain, 2
        while place.casefold() in taken:
            place, number = f"{plain}-{number}", number + 1
        taken.add(place.casefold())
        found[name] = f"experts/{place}"
    return found


def strategy_for(
    state: Mapping[str, Any], experts: frozenset[str], *, profiles: bool
) -> dict[str, Any]:
    """A strategy's state with these experts alone, and without their answers.

    Without `profiles`, which count the words of the experts' training data, a router goes by the
    dev prompts alone.
    """
    kept: dict[str, Any] = _of_experts(state, experts | {""})
    router = kept.get("router", kept)
    if "table" in router:
        router["table"]["answers"] = {}
        if not profiles:
            router["profiles"], router["stack"] = {}, None
    return kept


def _of_experts(value: Any, experts: frozenset[str]) -> Any:
    if not isinstance(value, Mapping):
        return value
    return {
        key: {name: one for name, one in inner.items() if name in experts}
        if key in _BY_EXPERT
        else _of_experts(inner, experts)
        for key, inner in value.items()
    }


_BY_EXPERT = {"scores", "weights", "correct", "answers", "profiles"}


@dataclass(frozen=True)
class Vllm:
    """How vLLM serves a release: `says` what that is, `command` starts it, None where it cannot."""

    says: str
    command: str | None


def vllm(manifest: Manifest, state: Mapping[str, Any], ranks: Mapping[str, int]) -> Vllm:
    """`ranks` are those of the adapters, by their folders."""
    source = hub_name(manifest.base)
    every = {expert["folder"].removeprefix("experts/"): expert for expert in manifest.experts}
    if manifest.strategy == "best_single":
        best = max(state["scores"], key=lambda name: state["scores"][name])
        folder = next((one["folder"] for one in manifest.experts if one["name"] == best), None)
        served = {} if folder is None else {"mosaic": folder}
        says = "The best single expert answers everything, so vLLM serves all of this release"
        says = says if served else "The base answers everything, so vLLM serves all of this release"
    elif manifest.strategy in MERGES and manifest.merged_sha256:
        served = {"mosaic": MERGED}
        says = "The experts are merged, so vLLM serves all of this release"
    else:
        served = {name: expert["folder"] for name, expert in every.items()}
        says = (
            "vLLM serves each expert by its name; it does not route, so whoever asks chooses"
            if manifest.strategy in ROUTED
            else f"vLLM cannot combine experts by `{manifest.strategy}`; it serves each by its name"
        )
    rank = max((ranks[folder] for folder in served.values()), default=0)
    if rank > VLLM_RANKS[-1]:
        return Vllm(f"vLLM takes adapters up to rank {VLLM_RANKS[-1]}, and here is {rank}.", None)
    words = ["vllm", "serve", source, "--chat-template", TEMPLATE]
    if served:
        room = next(one for one in VLLM_RANKS if one >= rank)
        words += ["--enable-lora", "--max-lora-rank", str(room), "--max-loras", str(len(served))]
        words += ["--lora-modules", *(f"{name}={folder}" for name, folder in served.items())]
    return Vllm(f"{says}:", shlex.join(words))


def model_card(manifest: Manifest, served: Vllm, notes: str = "") -> str:
    """README.md: a YAML head, which JSON strings fit into, and what one needs to load it."""
    rows = [
        f"| {' | '.join(_cell(one) for one in (_title(expert), *_rest(expert)))} |"
        for expert in manifest.experts
    ]
    merged = (
        "\n`merged/` has all of them as one adapter, which answers as the release does.\n"
        if manifest.merged_sha256
        else ""
    )
    name = hub_name(manifest.base)
    source = json.dumps(name, ensure_ascii=False)
    command = f"\n```sh\n{served.command}\n```\n" if served.command else ""
    here = "" if "/" in name else f" `{name}` stands for the folder of the base."
    return f"""---
base_model: {source}
library_name: peft
tags:
- lora
- mosaic
---

# A composed model

{len(manifest.experts)} experts on the base `{name}`, combined by the strategy \
`{manifest.strategy}`.
{manifest.why}

| expert | owner | licence | folder |
|---|---|---|---|
{chr(10).join(rows)}
{merged}
Each folder is a plain LoRA. The experts learnt to answer after a prompt and {SEPARATOR!r}:

```python
from peft import PeftModel
from transformers import AutoModelForCausalLM

base = AutoModelForCausalLM.from_pretrained({source})
model = PeftModel.from_pretrained(base, {json.dumps(manifest.experts[0]["folder"])})
```

All together: `python -m training_workers.engine answer RELEASE PROMPT`.

## With vLLM

{served.says}
{command}
Run it in this folder.{here} A prompt to /v1/completions must end with {SEPARATOR!r}; the chat
template puts it there by itself.
{notes}"""


def _title(expert: Mapping[str, str]) -> str:
    return expert.get("title") or expert["name"]


def _rest(expert: Mapping[str, str]) -> list[str]:
    return [expert[key] for key in ("owner", "licence", "folder")]


def manifest_json(manifest: Manifest) -> str:
    return json.dumps(asdict(manifest), indent=1, ensure_ascii=False) + "\n"


def _cell(text: Any) -> str:
    return " ".join(str(text).split()).replace("|", "\\|")
