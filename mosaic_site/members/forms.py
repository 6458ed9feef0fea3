from typing import Any

from allauth.core import ratelimit
from django import forms
from django.http import HttpRequest

from mosaic_site.members.access import groups_for_anyone, member
from mosaic_site.members.models import Scope


class GroupForm(forms.Form):
    name = forms.CharField(label="Name", help_text="As its members call themselves.", max_length=80)
    description = forms.CharField(
        label="Who belongs to it?",
        max_length=600,
        required=False,
        widget=forms.Textarea({"rows": 3, "maxlength": 600, "data-counter": ""}),
    )


class DeclareGroupForm(forms.Form):
    group = forms.ModelChoiceField(
        label="Your group",
        queryset=groups_for_anyone(),
        required=False,
        empty_label="None, or I would rather not say",
        help_text=(
            "Used for one thing only: to show how much support something has within each group of "
            "at least 5 members, so that a majority cannot overlook the others. "
            "No page shows who declared what, and you may change it at any time."
        ),
    )


class LeaveForm(forms.Form):
    """`request` is the member's own: the password is theirs, and asked a few times a minute."""

    published = forms.ChoiceField(
        label="What you published and had trained",
        choices=[
            ("leave", "Leave it to the community, under nobody's name"),
            ("withdraw", "Withdraw it: datasets, and every expert that learnt from them"),
        ],
        initial="leave",
        widget=forms.RadioSelect,
    )
    password = forms.CharField(
        label="Your password",
        strip=False,
        widget=forms.PasswordInput({"autocomplete": "current-password"}),
        help_text="Once more, so that nobody else does this on your open screen.",
    )

    def __init__(self, *args: Any, request: HttpRequest, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._request = request

    def clean_password(self) -> str:
        person = member(self._request)
        if not ratelimit.consume(self._request, action="reauthenticate", user=person):
            raise forms.ValidationError("That was too often. Wait a minute, then try again.")
        password: str = self.cleaned_data["password"]
        if not person.check_password(password):
            raise forms.ValidationError("This is not your password. Nothing was done.")
        return password


class TokenForm(forms.Form):
    name = forms.CharField(
        label="Name", help_text="What it is for, so that you know it again.", max_length=80
    )
    scopes = forms.MultipleChoiceField(
        label="It may",
        choices=Scope.choices,
        initial=[Scope.READ],
        widget=forms.CheckboxSelectMultiple,
    )
    days = forms.TypedChoiceField(
        label="It expires after",
        choices=[(7, "a week"), (30, "30 days"), (90, "90 days"), (365, "a year")],
        initial=30,
        coerce=int,
    )
