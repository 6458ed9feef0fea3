"""Scoring answers against references."""

import re
import unicodedata


def normalised(text: str) -> str:
    """Unicode NFKC, case folded, single spaces, no marks or spaces at the end."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return re.sub(r"[\s.!?,;:]+$", "", " ".join(folded.split()))


def exact_match(answer: str, reference: str) -> bool:
    """Whether two texts agree up to case, white space and final punctuation."""
    return normalised(answer) == normalised(reference)
