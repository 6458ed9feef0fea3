"""Every verb that changes what people bring. Nothing else writes these tables."""

from contributions.actions.checking import reconcile, version_check, version_recheck
from contributions.actions.datasets import (
    dataset_add_version,
    dataset_describe,
    dataset_publish,
    dataset_upload,
)
from contributions.actions.experts import (
    base_register,
    expert_approve,
    expert_become_eligible,
    expert_begin_training,
    expert_cancel,
    expert_fail,
    expert_resubmit,
    expert_retire,
    expert_return,
    expert_submit,
    expert_withdraw,
)
from contributions.actions.priorities import (
    ProbeText,
    priority_declare,
    priority_merge,
    priority_retire,
)
from contributions.actions.uploads import (
    PartDamaged,
    part_receive,
    reconcile_uploads,
    upload_abort,
    upload_finish,
    upload_start,
)

__all__ = [
    "PartDamaged",
    "ProbeText",
    "base_register",
    "dataset_add_version",
    "dataset_describe",
    "dataset_publish",
    "dataset_upload",
    "expert_approve",
    "expert_become_eligible",
    "expert_begin_training",
    "expert_cancel",
    "expert_fail",
    "expert_resubmit",
    "expert_retire",
    "expert_return",
    "expert_submit",
    "expert_withdraw",
    "part_receive",
    "priority_declare",
    "priority_merge",
    "priority_retire",
    "reconcile",
    "reconcile_uploads",
    "upload_abort",
    "upload_finish",
    "upload_start",
    "version_check",
    "version_recheck",
]
