from django import forms


class ReadForm(forms.Form):
    """All up to the newest notice that was on the page."""

    newest = forms.IntegerField(widget=forms.HiddenInput, min_value=1, max_value=2**63 - 1)
