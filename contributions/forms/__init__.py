"""The forms with which people bring something. What is typed is checked here, what is meant in
the actions."""

from contributions.forms.datasets import CardForm, DatasetForm, UploadForm, VersionForm
from contributions.forms.experts import ExpertForm, ResubmitForm
from contributions.forms.fields import OnceForm, ReasonForm
from contributions.forms.priorities import PriorityForm

__all__ = [
    "CardForm",
    "DatasetForm",
    "ExpertForm",
    "OnceForm",
    "PriorityForm",
    "ReasonForm",
    "ResubmitForm",
    "UploadForm",
    "VersionForm",
]
