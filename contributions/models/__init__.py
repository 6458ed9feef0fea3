from contributions.models.base import Base
from contributions.models.dataset import Dataset, DatasetVersion
from contributions.models.expert import Expert
from contributions.models.masking import MaskedCopy
from contributions.models.priority import Priority, Probe

__all__ = [
    "Base",
    "Dataset",
    "DatasetVersion",
    "Expert",
    "MaskedCopy",
    "Priority",
    "Probe",
]
