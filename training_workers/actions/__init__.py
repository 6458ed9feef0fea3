"""Every verb that changes jobs and releases. Nothing else writes these tables; none needs torch."""

from training_workers.actions.erasing import erase, machine_tidy
from training_workers.actions.jobs import (
    job_acknowledge_cancel,
    job_beat,
    job_cancel,
    job_claim_next,
    job_fail,
    job_finish,
    job_hand_back,
    job_prioritise,
    job_report,
    job_wait_for_room,
)
from training_workers.actions.reconciling import reconcile
from training_workers.actions.releases import (
    release_compose,
    release_fail,
    release_go_live,
    release_roll_back,
)

__all__ = [
    "erase",
    "job_acknowledge_cancel",
    "job_beat",
    "job_cancel",
    "job_claim_next",
    "job_fail",
    "job_finish",
    "job_hand_back",
    "job_prioritise",
    "job_report",
    "job_wait_for_room",
    "machine_tidy",
    "reconcile",
    "release_compose",
    "release_fail",
    "release_go_live",
    "release_roll_back",
]
