"""What the documentation consists of, in the order in which it is read."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.conf import settings

DOCS = settings.REPOSITORY / "docs"


@dataclass(frozen=True)
class Section:
    """Pages for the same reader. A slug is a file's path below `docs/`, without `.md`."""

    title: str
    purpose: str
    slugs: Sequence[str]


SECTIONS = (
    Section(
        "Contribute",
        "You have examples, a need, or a model trained at home.",
        ("for-contributors", "data", "uploads", "licences", "adapters", "leaving"),
    ),
    Section(
        "Vote",
        "You want a say in what the model learns, and to check that your vote was counted.",
        ("for-voters", "governance"),
    ),
    Section(
        "Look after the community",
        "You approve experts, open rounds and ratify results.",
        ("for-stewards", "permissions"),
    ),
    Section(
        "Run a site",
        "You keep it up, for a neighbourhood or for a city.",
        ("operations", "training", "monitoring", "troubleshooting", "threat-model", "SECURITY"),
    ),
    Section(
        "Build on it",
        "You call the model from a program, or use the engine without the site.",
        ("api", "rest", "engine"),
    ),
    Section(
        "How the science works",
        "You want to know what a number means, where it comes from and what it does not show.",
        ("science", "mosaic-15", "measurements"),
    ),
    Section(
        "Why it is built this way",
        "Decisions that somebody will question, each with what was measured.",
        tuple(sorted(f"decisions/{path.stem}" for path in (DOCS / "decisions").glob("*.md"))),
    ),
)

SLUGS = tuple(slug for section in SECTIONS for slug in section.slugs)
