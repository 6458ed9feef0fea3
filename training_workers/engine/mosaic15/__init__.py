"""Mosaic-15: a benchmark for composed models that fits on a laptop (see `docs/mosaic-15.md`)."""

from training_workers.engine.mosaic15.contributors import (
    Benchmark,
    Conflict,
    Contributor,
    conflict,
    make,
    malicious,
    shards,
)
from training_workers.engine.mosaic15.tasks import GENERALISE, RECALL, SUBJECTS, TASKS, TWO_HOP

__all__ = [
    "GENERALISE",
    "RECALL",
    "SUBJECTS",
    "TASKS",
    "TWO_HOP",
    "Benchmark",
    "Conflict",
    "Contributor",
    "conflict",
    "make",
    "malicious",
    "shards",
]
