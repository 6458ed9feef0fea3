"""Checking an expert before it stands on a ballot, against the others of its base."""

import logging
from collections.abc import Iterator
from typing import Any

from contributions.models import Expert
from training_workers.engine.adapters import Adapter, AdapterError, read_adapter
from training_workers.engine.bases import Base
from training_workers.engine.checks import check
from training_workers.engine.pool import ExpertPool
from training_workers.runs.evaluating import probe_sets
from training_workers.runs.heartbeat import Heartbeat

logger = logging.getLogger(__name__)


def checks_of(expert: Expert, base: Base, pool: ExpertPool, heartbeat: Heartbeat) -> dict[str, Any]:
    """The document that its page shows; `pool` holds the expert by its key. Raises Cancelled."""
    others = (
        Expert.objects.filter(base=expert.base).exclude(pk=expert.pk).exclude(adapter_sha256="")
    )
    statistics = others.filter(checks__has_key="weights").values_list("checks__weights", flat=True)
    own = [
        item
        for probes in probe_sets(["fit", "select"])
        if probes.priority.pk == expert.priority_id
        for item in probes.items("")
    ]
    return check(
        pool,
        str(expert.pk),
        own,
        _adapters(others.order_by("pk").iterator(), base),
        list(statistics),
        should_stop=heartbeat.should_stop,
        on_progress=heartbeat.counting("checking"),
    )


def _adapters(experts: Iterator[Expert], base: Base) -> Iterator[tuple[int, Adapter]]:
    """One at a time: there may be many."""
    for expert in experts:
        try:
            yield expert.pk, read_adapter(expert.adapter_path, base)
        except AdapterError as error:
            # One that has left may be erased; it is no reason to check nothing.
            logger.warning("expert %s is not compared with: %s", expert.pk, error)
