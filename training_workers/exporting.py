"""A release as a folder that others run without this site: what is in it, file by file.

As `engine.release_folder` writes it, but without torch, and for the public: without experts that
left, without what they answered, and without the word counts of data that may be private.
"""

import hashlib
import json
import logging
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth.models import AnonymousUser

from contributions import terms
from contributions.models import Expert
from mosaic_site.errors import Refused
from mosaic_site.zipping import Part, blocks_of
from training_workers.engine.base_facts import (
    ADAPTER_CONFIG,
    ADAPTER_WEIGHTS,
    hub_name,
    sha256_of_files,
    source_name,
)
from training_workers.engine.release_manifest import (
    CARD,
    CHAT_TEMPLATE,
    MANIFEST,
    MERGED,
    MERGES,
    STRATEGY,
    STRATEGY_FILE,
    TEMPLATE,
    About,
    Manifest,
    folders_of,
    manifest_json,
    model_card,
    strategy_for,
    vllm,
)
from training_workers.models import Release, ReleaseExpert

logger = logging.getLogger(__name__)

EXPORTED = frozenset({Release.Status.LIVE, Release.Status.RETIRED})


@dataclass(frozen=True)
class ReleaseExport:
    """All that it takes; `adapters` are the folders that are copied, by their place in it."""

    release: Release
    strategy: bytes
    experts: list[tuple[str, str, About]]
    adapters: dict[str, Path]
    notes: str

    @property
    def name(self) -> str:
        return f"release-{self.release.number}"

    def files(self) -> Iterator[Part]:
        """The manifest comes last: what is broken off is no release."""
        for place, folder in self.adapters.items():
            for file in (ADAPTER_CONFIG, ADAPTER_WEIGHTS):
                yield f"{place}/{file}", blocks_of(folder / file)
        yield f"{STRATEGY}/{STRATEGY_FILE}", [self.strategy]
        yield TEMPLATE, [CHAT_TEMPLATE.encode()]
        manifest = self._manifest()
        served = vllm(manifest, json.loads(self.strategy), self._ranks())
        yield CARD, [model_card(manifest, served, self.notes).encode()]
        yield MANIFEST, [manifest_json(manifest).encode()]

    def _manifest(self) -> Manifest:
        release, base = self.release, self.release.base
        hashes = {
            place: sha256_of_files([folder / ADAPTER_CONFIG, folder / ADAPTER_WEIGHTS])
            for place, folder in self.adapters.items()
        }
        return Manifest(
            # A path of this machine is nobody else's business.
            base=hub_name(source_name(base.source)),
            base_sha256=base.sha256,
            strategy=json.loads(self.strategy)["name"],
            strategy_sha256=hashlib.sha256(self.strategy).hexdigest(),
            why=release.report.get("why", ""),
            created_by=f"{settings.MOSAIC_COMMUNITY}, {settings.MOSAIC_URL}",
            experts=[
                {"name": name, "folder": place, "sha256": hashes[place], **asdict(about)}
                for name, place, about in self.experts
            ],
            merged_sha256=hashes.get(MERGED),
        )

    def _ranks(self) -> dict[str, int]:
        return {
            place: json.loads((folder / ADAPTER_CONFIG).read_text(encoding="utf-8"))["r"]
            for place, folder in self.adapters.items()
        }


def release_export(release: Release, *, profiles: bool = False) -> ReleaseExport:
    """What is exported of a release that is or was live. `profiles` are word counts of the
    experts' training data, by which some routers go: they stay here unless they are asked for.

    Raises Refused where a licence forbids it, or nothing is left to export.
    """
    if release.status not in EXPORTED:
        raise Refused(f"Release {release.number} never went live, so there is nothing to download.")
    members = list(
        release.members.select_related("expert__owner")
        .prefetch_related("expert__versions__dataset")
        .order_by("expert_id")
    )
    standing = [one for one in members if one.expert.status == Expert.Status.ELIGIBLE]
    if not standing:
        raise Refused(f"All experts of release {release.number} left, so nothing is left of it.")
    experts = [member.expert for member in standing]
    passing = terms.of_release(release.base, experts, AnonymousUser())
    if passing.obstacle:
        raise Refused(f"This release may not be passed on. {passing.obstacle}")
    try:
        return _export(release, standing, len(standing) < len(members), passing, profiles)
    except (OSError, ValueError, KeyError) as error:
        logger.warning("release %d cannot be exported: %s", release.number, error)
        raise Refused(
            f"The files of release {release.number} are not whole.",
            "Whoever runs this site finds in its log which are missing.",
        ) from error


def _export(
    release: Release,
    standing: list[ReleaseExpert],
    reduced: bool,
    passing: terms.Passing,
    profiles: bool,
) -> ReleaseExport:
    state = _state(release.strategy_path)
    is_merge = state["name"] in MERGES
    if is_merge and reduced:
        # As it is served: a merge that lost somebody is taken down.
        state = _state(release.fallback_path)
    names = frozenset(str(member.expert_id) for member in standing)
    places = folders_of({str(member.expert_id): member.expert.name for member in standing})
    adapters = {places[str(member.expert_id)]: member.expert.adapter_path for member in standing}
    if is_merge and not reduced and release.merged_path.is_dir():
        adapters[MERGED] = release.merged_path
    for path in adapters.values():
        for file in (ADAPTER_CONFIG, ADAPTER_WEIGHTS):
            (path / file).stat()
    kept = strategy_for(state, names, profiles=profiles)
    return ReleaseExport(
        release,
        json.dumps(kept, ensure_ascii=False).encode(),
        [
            (str(one.pk), places[str(one.pk)], _about(one))
            for one in (member.expert for member in standing)
        ],
        adapters,
        _notes(release, passing, state, reduced, profiles),
    )


def _state(folder: Path) -> dict[str, Any]:
    state: dict[str, Any] = json.loads((folder / STRATEGY_FILE).read_text(encoding="utf-8"))
    return state


def _about(expert: Expert) -> About:
    return About(expert.owner.display_name, terms.stated(expert), expert.name)


def _notes(
    release: Release,
    passing: terms.Passing,
    state: Mapping[str, Any],
    reduced: bool,
    profiles: bool,
) -> str:
    """What the card says beyond any release folder: where it is from, and what holds for it."""
    lines = [
        "## Where it is from",
        "",
        f"Release {release.number} of {settings.MOSAIC_COMMUNITY}, decided by its members: "
        f"{settings.MOSAIC_URL}{release.get_absolute_url()} has its report.",
    ]
    if reduced:
        lines += ["", "Experts that left it since are not in it."]
    if not profiles and state.get("router", {}).get("stack"):
        lines += [
            "",
            "The site also routes by how often the experts' training data used which words. Those "
            "counts stay there, as some of the data is private: this folder routes by the "
            "development prompts alone, and may choose otherwise now and then.",
        ]
    lines += ["", "## Licence terms", ""]
    for name, sentence, licences in passing.obligations:
        lines.append(f"- **{name}.** {sentence} ({', '.join(licences)})")
    if passing.terms.unknown:
        lines.append(f"- Not known here, so read them: {', '.join(passing.terms.unknown)}.")
    if not passing.obligations and not passing.terms.unknown:
        lines.append("- No obligations.")
    for licence, credits in passing.credits:
        whom = "; ".join(", ".join(filter(None, (one.name, one.whom))) for one in credits)
        lines.append(f"- {licence}: {whom}")
    return "\n".join(["", *lines, ""])
