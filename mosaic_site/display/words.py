"""How numbers and states are said. Always a dot for decimals, so that SVG attributes can use it."""

from __future__ import annotations

from hashlib import sha256

TILE_COLOURS = 12

# state -> (tone of the pill, what people read)
STATES: dict[str, tuple[str, str]] = {
    "received": ("wait", "Received"),
    "checking": ("busy", "Checking"),
    "unmapped": ("wait", "Which column is what?"),
    "valid": ("good", "Ready to use"),
    "invalid": ("bad", "Has errors"),
    "submitted": ("wait", "Waiting for a steward"),
    "returned": ("bad", "Returned"),
    "approved": ("good", "Approved"),
    "queued": ("wait", "In the queue"),
    "training": ("busy", "Training"),
    "examining": ("busy", "Being examined"),
    "running": ("busy", "Running"),
    "done": ("good", "Done"),
    "eligible": ("good", "On the next ballot"),
    "failed": ("bad", "Failed"),
    "cancelled": ("idle", "Cancelled"),
    "withdrawn": ("idle", "Withdrawn"),
    "joining": ("busy", "Being put together"),
    "finished": ("good", "Arrived"),
    "aborted": ("idle", "Given up"),
    "expired": ("idle", "Expired"),
    "open": ("busy", "Open"),
    "closed": ("busy", "Being counted"),
    "provisional": ("wait", "Provisional result"),
    "ratified": ("good", "Ratified"),
    "annulled": ("bad", "Annulled"),
    "scheduled": ("idle", "Planned"),
    "discussion": ("wait", "In discussion"),
    "frozen": ("wait", "Frozen"),
    "tallied": ("busy", "Being counted"),
    "on_ballot": ("busy", "On the ballot"),
    "decided": ("idle", "Decided"),
    "no_quorum": ("idle", "No quorum"),
    "composing": ("busy", "Composing"),
    "live": ("live", "Live"),
    "retired": ("idle", "Retired"),
}


def state_tone(state: str) -> str:
    """The tone of a state's pill: good, wait, busy, bad, live or idle."""
    return STATES[state][0] if state in STATES else "idle"


def state_word(state: str) -> str:
    """What people read for a state; a state without an entry is read as it is written."""
    return STATES[state][1] if state in STATES else state.replace("_", " ").capitalize()


def mib(size: int) -> str:
    """A size in bytes as mebibytes: 440401 -> "0.42 MiB"; whole ones from 100 MiB up."""
    mebibytes = size / 2**20
    if 0 < mebibytes < 0.01:
        return "< 0.01 MiB"
    return f"{mebibytes:,.0f} MiB" if mebibytes >= 100 else f"{mebibytes:.2f} MiB"


def duration(seconds: float) -> str:
    """A time span in its two largest units: 72 -> "1 min 12 s". Below ten seconds with a tenth."""
    if seconds < 0:
        return f"-{duration(-seconds)}"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    days, rest = divmod(whole, 86400)
    hours, rest = divmod(rest, 3600)
    minutes, rest = divmod(rest, 60)
    parts = [(days, "d"), (hours, "h"), (minutes, "min"), (rest, "s")]
    first = next(index for index, (amount, _) in enumerate(parts) if amount)
    return " ".join(f"{amount} {unit}" for amount, unit in parts[first : first + 2] if amount)


def percent(share: float) -> str:
    """A share of one as a percentage: 0.154 -> "15.4 %"; whole percents without a decimal."""
    text = f"{100 * share:.1f}"
    return f"{text.removesuffix('.0')} %"


def short_hash(digest: str) -> str:
    """The first ten characters of a digest: enough to tell two apart by eye."""
    return digest[:10]


def tile_colour(contributor: object) -> int:
    """The colour (1..12) of a contributor, the same everywhere and for ever.

    Consecutive numbers get different colours; other ids (text, UUID) are spread by SHA-256.
    """
    number = (
        contributor - 1
        if isinstance(contributor, int)
        else int.from_bytes(sha256(str(contributor).encode()).digest()[:8])
    )
    return number % TILE_COLOURS + 1
