"""Each lifecycle, its model's choices and the database's CHECK say the same."""

import itertools
from typing import Any

import pytest
from django.db import models

from contributions.models import DatasetVersion, Expert, Upload
from contributions.models.dataset import DATASET_VERSION_LIFECYCLE
from contributions.models.expert import EXPERT_LIFECYCLE
from contributions.models.upload import UPLOAD_LIFECYCLE
from governance.models import Round
from governance.models.round import ROUND_LIFECYCLE
from mosaic_site.errors import Refused
from mosaic_site.lifecycle import Lifecycle
from training_workers.models import Job, Release
from training_workers.models.job import JOB_LIFECYCLE
from training_workers.models.release import RELEASE_LIFECYCLE

LIFECYCLES: list[tuple[type[models.Model], Lifecycle]] = [
    (DatasetVersion, DATASET_VERSION_LIFECYCLE),
    (Upload, UPLOAD_LIFECYCLE),
    (Expert, EXPERT_LIFECYCLE),
    (Round, ROUND_LIFECYCLE),
    (Job, JOB_LIFECYCLE),
    (Release, RELEASE_LIFECYCLE),
]


@pytest.mark.parametrize(("model", "lifecycle"), LIFECYCLES)
def test_choices_and_constraint_match_the_table(
    model: type[models.Model], lifecycle: Lifecycle
) -> None:
    field: Any = model._meta.get_field("status")
    assert {value for value, _ in field.choices} == lifecycle.states
    checks = [
        constraint.condition
        for constraint in model._meta.constraints
        if isinstance(constraint, models.CheckConstraint)
    ]
    assert models.Q(status__in=sorted(lifecycle.states)) in checks


@pytest.mark.parametrize(("model", "lifecycle"), LIFECYCLES)
def test_every_pair_of_states_is_allowed_or_refused(
    model: type[models.Model], lifecycle: Lifecycle
) -> None:
    for current, target in itertools.product(lifecycle.states, repeat=2):
        if target in lifecycle.moves[current]:
            lifecycle.require(current, target)
        else:
            with pytest.raises(Refused):
                lifecycle.require(current, target)


@pytest.mark.parametrize(("model", "lifecycle"), LIFECYCLES)
def test_every_state_can_be_reached(model: type[models.Model], lifecycle: Lifecycle) -> None:
    initial: Any = model._meta.get_field("status")
    reached = {str(initial.default)}
    while more := {t for state in reached for t in lifecycle.moves[state]} - reached:
        reached |= more
    assert reached == lifecycle.states
