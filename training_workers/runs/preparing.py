"""What both kinds of run begin with: a base in memory and the rows to learn from."""

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache

import pyarrow as pa

from contributions.intake import Probes
from contributions.models import Base, DatasetVersion, Probe
from mosaic_site.files import file_at_hand
from training_workers.engine import bases
from training_workers.engine.base_facts import BaseError
from training_workers.engine.data import Example, read_examples


@lru_cache(maxsize=2)
def loaded_base(source: str, revision: str, sha256: str) -> bases.Base:
    """The base, kept in memory from job to job. Raises BaseError where its content has changed."""
    base = bases.load_base(source, revision)
    if base.sha256 != sha256:
        raise BaseError(
            f"{source} is not what was registered: its content has changed. "
            "Register it anew as a base of its own."
        )
    return base


def base_in_memory(base: Base) -> bases.Base:
    return loaded_base(base.source, base.revision, base.sha256)


def examples_of(versions: Iterable[DatasetVersion]) -> list[Example]:
    """The rows of these versions, each row once, in the order of the versions' hashes.

    Rows that ask what a probe asks are left out here too: the check knows no sealed probes, and
    some may be younger than it.
    """
    probes = Probes(Probe.objects.values_list("prompt", "answer"))
    examples: dict[Example, None] = {}
    for version in sorted(versions, key=lambda version: version.sha256):
        rows = read_examples(file_at_hand(str(version.rows_file.name)))
        examples.update(dict.fromkeys(_asked_by_none(rows, probes)))
    return list(examples)


# How the intake writes a conversation and a question with choices as a prompt.
_LAST_TURN = re.compile(r"(?s).*^user: ", re.MULTILINE)
_CHOICES = re.compile(r"(?s)\nA\. .*")


def _asked_by_none(rows: Sequence[Example], probes: Probes) -> list[Example]:
    """The rows that ask what none of the probes asks, in whichever shape they ask it."""
    texts = [row.prompt or row.completion for row in rows]  # plain text has no prompt
    asked = probes.asked_in(pa.array(texts, pa.string()))
    for wrapping in (_LAST_TURN, _CHOICES):
        bare = [wrapping.sub("", text, count=1) for text in texts]
        asked |= probes.asked_in(pa.array(bare, pa.string()))
    return [row for row, is_probe in zip(rows, asked, strict=True) if not is_probe]
