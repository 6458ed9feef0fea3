"""What the ballot box is made of: canonical texts, hashes and pseudonyms. Imports no Django.

A round's box is a chain of entries: `setup`, one `cast` for each ballot cast or changed, `close`,
one `result` for each tally. Each carries the hash of the one before it, so that none can be
changed, taken out or put in between without all later hashes changing too.
"""

import hashlib
import hmac
import json
from collections.abc import Iterable, Mapping
from typing import Any

FIRST = "0" * 64
"""What stands for the hash before the first entry."""


def canonical(value: Any) -> str:
    """The one JSON text of a value: sorted keys, no spaces, UTF-8."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def link(previous: str, position: int, kind: str, payload: str) -> str:
    """The hash of an entry: SHA-256 over the four lines."""
    return _sha256(f"{previous}\n{position}\n{kind}\n{payload}")


def ballot_text(approve: Iterable[str], answers: Mapping[str, str]) -> str:
    """What a ballot says, canonically: candidates approved, sorted, and answers by question."""
    return canonical({"approve": sorted(approve), "answers": dict(answers)})


def receipt(nonce: str, ballot: str) -> str:
    """SHA-256(nonce || ballot): says nothing of the ballot to who has no nonce, and binds it."""
    return _sha256(nonce + ballot)


def pseudonym(key: str, member: int) -> str:
    """HMAC-SHA-256 of a member's number: the same for every change of a ballot in a round.

    `key` is the round's, in hexadecimal; once it is destroyed nobody can compute this again.
    """
    return hmac.new(bytes.fromhex(key), str(member).encode(), hashlib.sha256).hexdigest()


def elector_id(salt: str, member: int) -> str:
    """SHA-256(salt || member's number): the member, who sees the salt, finds it in the list."""
    return _sha256(f"{salt}{member}")


def electors_root(ids: Iterable[str]) -> str:
    """SHA-256 of the sorted ids, one a line: fixes who may vote without saying who they are."""
    return _sha256("\n".join(sorted(ids)))


def commitment(seed: str) -> str:
    """SHA-256 of the lot's seed, public from the freeze on: nobody can choose the lot later."""
    return _sha256(seed)


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
