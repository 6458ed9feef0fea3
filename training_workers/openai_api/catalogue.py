"""Which models can be asked by name: the live release, each of its experts alone, and its base."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings

from contributions.models import Base, Expert
from training_workers import access
from training_workers.openai_api.errors import ApiError, refused
from training_workers.openai_api.request import Wanted

LIVE = "mosaic"
BASE = "mosaic/base"


def release_id(number: int) -> str:
    return f"mosaic-{number}"


def expert_id(pk: int) -> str:
    return f"mosaic/expert-{pk}"


@dataclass(frozen=True)
class Model:
    """A name, and who answers under it: all experts of the release by its strategy, or one of them
    `alone`, 0 for the base."""

    id: str
    created: datetime
    owned_by: str
    about: str
    alone: int | None = None
    release: int | None = None
    """The release that must be live; None where whichever is live will do."""

    def told(self, base: Base) -> dict[str, Any]:
        """As a client reads it. `max_model_len` is vLLM's name for the length of the context."""
        return {
            "id": self.id,
            "object": "model",
            "created": int(self.created.timestamp()),
            "owned_by": self.owned_by,
            "max_model_len": base.context_length,
            "mosaic": {"about": self.about, "base": base.name, "base_sha256": base.sha256},
        }


@dataclass(frozen=True)
class Catalogue:
    """What can be asked at this moment."""

    base: Base
    experts: frozenset[int]
    models: dict[str, Model]

    def model(self, name: str) -> Model:
        """Raises ApiError for a name that is not, or no longer, answered to."""
        if name not in self.models:
            raise ApiError(
                404,
                f"The model `{name}` is not served now. GET /v1/models lists those that are.",
                "model_not_found",
                param="model",
            )
        return self.models[name]

    def may_answer(self, model: Model, wanted: Wanted) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The experts who alone may answer (all if empty), and those who may not.

        Raises ApiError for an expert who is not in the live release, and where a model is one.
        """
        if model.alone is not None and (wanted.include or wanted.exclude):
            raise refused("experts", f"`{model.id}` answers alone: experts cannot be chosen.")
        for name, ids in (("include", wanted.include), ("exclude", wanted.exclude)):
            if unknown := sorted(set(ids) - self.experts):
                raise refused(
                    f"experts.{name}",
                    f"Expert {unknown[0]} is not in the live release. "
                    f"These are: {', '.join(map(str, sorted(self.experts))) or 'none'}.",
                    "expert_not_found",
                )
        return wanted.include, wanted.exclude


def catalogue() -> Catalogue:
    """What is live, as the rows say it. Raises ApiError where the community has no base yet."""
    release = access.releases_for_anyone().live().first()
    base = release.base if release else Base.objects.filter(active=True).first()
    if base is None:
        raise ApiError(503, "No base is registered, so nothing is served yet.", retry_after=60)
    community = settings.MOSAIC_COMMUNITY
    of_base = Model(BASE, base.created_at, community, "The base without any expert.", alone=0)
    if release is None:
        about = "No release is live yet, so the base answers alone."
        live = Model(LIVE, base.created_at, community, about)
        return Catalogue(base, frozenset(), {one.id: one for one in (live, of_base)})
    experts = [
        member.expert
        for member in release.members.all()
        if member.expert.status == Expert.Status.ELIGIBLE
    ]
    began = release.live_at or release.created_at
    about = f"Release {release.number}, by the strategy {release.strategy}."
    models = [
        Model(LIVE, began, community, f"Whichever release is live. {about}"),
        Model(release_id(release.number), began, community, about, release=release.number),
        *(
            Model(
                expert_id(one.pk),
                one.trained_at or one.created_at,
                one.owner.display_name,
                f"The expert “{one.name}” alone.",
                alone=one.pk,
            )
            for one in experts
        ),
        of_base,
    ]
    return Catalogue(
        base, frozenset(one.pk for one in experts), {model.id: model for model in models}
    )
