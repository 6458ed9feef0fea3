"""How much one file may hold."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Upper bounds of a file that is checked."""

    max_bytes: int = 2 * 1024**3  # as it was brought, and once more when it is unpacked
    max_ratio: int = 250  # unpacked to packed; ordinary text reaches a tenth of it
    max_rows: int = 5_000_000
    max_chars: int = 8_000  # prompt and completion of one row together
    max_columns: int = 64
    max_line_chars: int = 1024 * 1024  # keeps memory flat when a file has no line breaks
    max_labels: int = 1_000  # different completions that are counted one by one


LIMITS = Limits()
PROBE_LIMITS = Limits(max_bytes=10 * 1024 * 1024, max_rows=10_000)
