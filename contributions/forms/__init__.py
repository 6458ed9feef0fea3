"""The forms with which people bring something. What is typed is checked here, what is meant in
the actions."""

from contributions.forms.bringing import BringAgainForm, BringForm
from contributions.forms.datasets import CardForm, DatasetForm, UploadForm, VersionForm
from contributions.forms.experts import ExpertForm, ResubmitForm
from contributions.forms.fields import OnceForm, ReasonForm, WithdrawForm
from contributions.forms.mapping import MappingForm
from contributions.forms.personal_data import AcknowledgeForm
from contributions.forms.priorities import PriorityForm

__all__ = [
    "AcknowledgeForm",
    "BringAgainForm",
    "BringForm",
    "CardForm",
    "DatasetForm",
    "ExpertForm",
    "MappingForm",
    "OnceForm",
    "PriorityForm",
    "ReasonForm",
    "ResubmitForm",
    "UploadForm",
    "VersionForm",
    "WithdrawForm",
]
