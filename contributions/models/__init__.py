from contributions.models.base import Base
from contributions.models.dataset import Dataset, DatasetVersion
from contributions.models.expert import Expert
from contributions.models.masking import MaskedCopy
from contributions.models.priority import Priority, Probe
from contributions.models.upload import Upload, UploadPart

__all__ = [
    "Base",
    "Dataset",
    "DatasetVersion",
    "Expert",
    "MaskedCopy",
    "Priority",
    "Probe",
    "Upload",
    "UploadPart",
]
