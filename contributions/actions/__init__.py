"""Every verb that changes what people bring. Nothing else writes these tables."""

from contributions.actions.bringing import adapter_limits, expert_bring, expert_bring_again
from contributions.actions.checking import (
    reconcile,
    version_check,
    version_map,
    version_recheck,
)
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
from contributions.actions.leaving import (
    dataset_withdraw,
    expert_erased,
    reconcile_leaving,
    version_erase,
)
from contributions.actions.personal_data import version_acknowledge, version_mask
from contributions.actions.priorities import (
    ProbeText,
    priority_declare,
    priority_merge,
    priority_retire,
)
from contributions.actions.uploads import (
    PartDamaged,
    adapter_sha256,
    part_receive,
    reconcile_uploads,
    upload_abort,
    upload_finish,
    upload_join,
    upload_start,
)

__all__ = [
    "PartDamaged",
    "ProbeText",
    "adapter_limits",
    "adapter_sha256",
    "base_register",
    "dataset_add_version",
    "dataset_describe",
    "dataset_publish",
    "dataset_upload",
    "dataset_withdraw",
    "expert_approve",
    "expert_become_eligible",
    "expert_begin_training",
    "expert_bring",
    "expert_bring_again",
    "expert_cancel",
    "expert_erased",
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
    "reconcile_leaving",
    "reconcile_uploads",
    "upload_abort",
    "upload_finish",
    "upload_join",
    "upload_start",
    "version_acknowledge",
    "version_check",
    "version_erase",
    "version_map",
    "version_mask",
    "version_recheck",
]
