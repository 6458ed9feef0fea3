"""The words and phrases that the corpus of `pocket` is made of, read from `words/`."""

from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent / "words"
ASK = "ask "
"""Begins the heading of the wordings that ask for one fact, as in `[ask cost]`."""


@dataclass(frozen=True)
class Topic:
    """Words that are said together."""

    name: str
    things: list[str]
    deeds: list[str]
    traits: list[str]


@dataclass(frozen=True)
class Lexicon:
    """Words and how they are related; phrases with words to fill in."""

    topics: list[Topic]
    synonyms: dict[str, list[str]]
    """By their plainest word, which is one of them."""
    opposites: list[tuple[str, str]]
    kinds: dict[str, list[str]]
    names: list[str]
    numbers: list[str]
    function: list[str]
    phrases: dict[str, list[str]]
    wordings: dict[str, list[str]]
    """By what they ask for: cost, time, location, ..."""

    @classmethod
    def read(cls) -> "Lexicon":
        topics = []
        for name, lines in _sections(FOLDER / "topics.txt").items():
            parts = dict(line.split(": ", 1) for line in lines)
            words = (_words([parts[part]]) for part in ("things", "deeds", "traits"))
            topics.append(Topic(name, *words))
        relations = _sections(FOLDER / "relations.txt")
        phrases = _sections(FOLDER / "phrases.txt")
        kinds = (line.split(": ", 1) for line in relations["kinds"])
        return cls(
            topics=topics,
            synonyms={line.split()[0]: _words([line]) for line in relations["synonyms"]},
            opposites=[(one, other) for one, other in map(str.split, relations["opposites"])],
            kinds={kind: _words([members]) for kind, members in kinds},
            names=_words(relations["names"]),
            numbers=_words(relations["numbers"]),
            function=_words(relations["function"]),
            phrases={
                name: _words(lines) if name in {"keys", "persons", "did", "syllables"} else lines
                for name, lines in phrases.items()
            },
            wordings={
                name.removeprefix(ASK): lines
                for name, lines in phrases.items()
                if name.startswith(ASK)
            },
        )


def _sections(path: Path) -> dict[str, list[str]]:
    """Read `[heading]` sections of lines; `#` opens a comment."""
    sections: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            lines = sections.setdefault(line.strip("[] "), [])
        elif line and not line.startswith("#"):
            lines.append(line)
    return sections


def _words(lines: list[str]) -> list[str]:
    """The words of some lines; a hyphen stands for a space within a word."""
    return [word.replace("-", " ") for line in lines for word in line.split()]
