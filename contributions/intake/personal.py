"""Personal data and secrets: where they are, never what they are."""

import math
import re
from collections import Counter
from collections.abc import Callable

_ENTROPY = 4.0  # bits a character; English words joined together have about 3.5
_TOKEN = re.compile(r"(?<![\w/+-])[A-Za-z0-9_+-]{32,}={0,2}(?![\w/+-])")
_PREFIXES = re.compile(
    r"\b(?:sk-(?:proj-|ant-)?[\w-]{20,}|gh[pousr]_\w{30,}|github_pat_\w{30,}|glpat-[\w-]{20,}"
    r"|xox[abprs]-[\w-]{10,}|(?:AKIA|ASIA)[A-Z0-9]{16}|AIza[\w-]{35}|hf_\w{30,}|npm_\w{30,}"
    r"|(?:sk|rk|pk)_(?:live|test)_\w{16,}|SG\.[\w-]{16,}\.[\w-]{16,}|pypi-[\w-]{40,}"
    r"|eyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,})"
)
_PRIVATE_KEY = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----(?:.*?-----END [A-Z ]*PRIVATE KEY-----|.*)", re.DOTALL
)
_EMAIL = re.compile(
    r"[\w.+%-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9-]{0,62}\.)+[A-Za-z]{2,24}(?![\w@])", re.ASCII
)
_IBAN = re.compile(
    r"\b[A-Z]{2}\d{2}(?:[A-Z0-9]{11,30}|(?: [A-Z0-9]{4}){2,7}(?: (?=[A-Z]{0,2}\d)[A-Z0-9]{1,3})?)\b"
)
_CARD = re.compile(r"(?<![\d.-])\d(?:[ -]?\d){12,18}(?![\d-]|\.\d)")
_PHONE = re.compile(
    r"(?<![\w.+-])(?<!\d[ /-])(?:\+\d{1,3}[ ./-]?(?:\(\d{1,4}\)[ ./-]?)?(?:\d[ ./-]?){5,12}\d"
    r"|\(\d{2,5}\)[ ./-]?\d(?:[ .-]?\d){4,8}|0\d{1,4}[ /-]\d(?:[ -]?\d){4,9}"
    r"|\d{3}[ .-]\d{3}[ .-]\d{4})(?![\w-])"
)


def _is_iban(text: str) -> bool:
    """The check digits of ISO 13616: the rearranged number is 1 modulo 97."""
    plain = text.replace(" ", "")
    digits = "".join(str(int(mark, 36)) for mark in plain[4:] + plain[:4])
    return 15 <= len(plain) <= 34 and int(digits) % 97 == 1


def _is_card(text: str) -> bool:
    """The check digit of ISO/IEC 7812 (Luhn), on numbers as networks give them out."""
    digits = [int(mark) for mark in text if mark.isdigit()]
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[-2::-2]]
    return digits[0] in (2, 3, 4, 5, 6) and (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


def _is_phone(text: str) -> bool:
    return 7 <= sum(mark.isdigit() for mark in text) <= 15


def _is_random(text: str) -> bool:
    """As many different characters as a key: letters of both cases and digits, evenly used."""
    kinds = (str.islower, str.isupper, str.isdigit)
    if not all(any(kind(mark) for mark in text) for kind in kinds):
        return False
    shares = [count / len(text) for count in Counter(text).values()]
    return -sum(share * math.log2(share) for share in shares) >= _ENTROPY


# In the order in which they are looked for: what one has found is not looked at by the next.
_KINDS: tuple[tuple[str, re.Pattern[str], Callable[[str], bool]], ...] = (
    ("private key", _PRIVATE_KEY, bool),
    ("key or token", _PREFIXES, bool),
    ("e-mail", _EMAIL, bool),
    ("IBAN", _IBAN, _is_iban),
    ("payment card", _CARD, _is_card),
    ("phone", _PHONE, _is_phone),
    ("key or token", _TOKEN, _is_random),
)
_MASKS = {"private key": "[KEY]", "key or token": "[KEY]", "e-mail": "[EMAIL]", "IBAN": "[IBAN]",
          "payment card": "[CARD]", "phone": "[PHONE]"}  # fmt: skip


def masked(text: str) -> tuple[str, Counter[str]]:
    """The text with all personal data and secrets replaced, and how many of each kind."""
    counts: Counter[str] = Counter()
    for kind, pattern, holds in _KINDS:
        parts: list[str] = []
        end = 0
        for match in pattern.finditer(text):
            if holds(match.group()):
                parts += text[end : match.start()], _MASKS[kind]
                end = match.end()
        counts[kind] += len(parts) // 2
        text = "".join([*parts, text[end:]])
    return text, +counts
