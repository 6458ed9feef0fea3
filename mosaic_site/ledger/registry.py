"""The actions that the ledger knows, each as a person would say it."""

from collections.abc import Mapping

# Action -> sentence, read as "<actor> <sentence> <subject>".
SENTENCES: dict[str, str] = {}


def register(sentences: Mapping[str, str]) -> None:
    """Called by each app when it is ready, with the actions that it records."""
    SENTENCES.update(sentences)
