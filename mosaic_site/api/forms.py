"""What is sent to the API is checked by the form that the pages use: each rule has one place.

`FormSerializer` describes a form to programs: types, lengths and choices come from its fields. What
passes them goes through the form itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from django import forms
from rest_framework import serializers

LARGEST_KEY = 2**63 - 1
MESSAGES = (
    ("required", "required"),
    ("blank", "required"),
    ("invalid", "invalid"),
    ("min_value", "min_value"),
)
"""What a form says of a field, by the name that serializers have for it."""
Field = serializers.Field[Any, Any, Any, Any]


def _key(**kwargs: Any) -> Field:
    return serializers.IntegerField(min_value=1, max_value=LARGEST_KEY, **kwargs)


def _bounds(field: forms.IntegerField) -> dict[str, Any]:
    """Its least and its largest value; a whole number fits the database in any case."""
    whole = not isinstance(field, forms.FloatField)
    largest = LARGEST_KEY if field.max_value is None and whole else field.max_value
    return {"min_value": field.min_value, "max_value": largest}


def field_for(field: forms.Field) -> Field:
    """A form's field as one of a serializer."""
    common: dict[str, Any] = {
        "required": field.required,
        "help_text": str(field.help_text or field.label or ""),
        "error_messages": {
            ours: str(field.error_messages[theirs])
            for ours, theirs in MESSAGES
            if theirs in field.error_messages
        },
    }
    rows = isinstance(field, forms.ModelChoiceField)
    offered = [] if rows else getattr(field, "choices", [])
    choices = [(value, label) for value, label in offered if value != ""]
    match field:
        case forms.ModelMultipleChoiceField():
            return serializers.ListField(
                child=_key(), allow_empty=not field.required, max_length=1000, **common
            )
        case forms.ModelChoiceField():
            return _key(allow_null=not field.required, **common)
        case forms.TypedMultipleChoiceField():
            return serializers.ListField(child=_key(), max_length=10_000, **common)
        case forms.MultipleChoiceField():
            child = serializers.ChoiceField(choices=choices)
            return serializers.ListField(child=child, max_length=100, **common)
        case forms.ChoiceField():
            if field.initial is not None:
                common["required"] = False
            if isinstance(field, forms.TypedChoiceField):
                choices = [(field.coerce(value), label) for value, label in choices]
            return serializers.ChoiceField(choices=choices, **common)
        case forms.FloatField():
            return serializers.FloatField(allow_null=True, **_bounds(field), **common)
        case forms.IntegerField():
            if field.initial is not None:
                common["required"] = False
            return serializers.IntegerField(**_bounds(field), **common)
        case forms.BooleanField():
            return serializers.BooleanField(**common)
        case forms.UUIDField():
            common |= {"required": False, "help_text": "Sent again with it, it is made once."}
            return serializers.UUIDField(**common)
        case forms.FileField():
            return serializers.FileField(**common)
        case _:
            return serializers.CharField(
                max_length=getattr(field, "max_length", None),
                trim_whitespace=getattr(field, "strip", True),
                allow_blank=not field.required,
                **common,
            )


class FormSerializer(serializers.Serializer[Any]):
    """The fields of `form`, but for `left_out`, and those that a subclass adds.

    After `is_valid` the form is in `filled`, valid.
    """

    form: ClassVar[type[forms.Form]]
    left_out: ClassVar[tuple[str, ...]] = ()

    filled: forms.Form

    def get_fields(self) -> dict[str, Field]:
        declared = super().get_fields()
        derived = {
            name: field_for(field)
            for name, field in self.form.base_fields.items()
            if name not in declared and name not in self.left_out
        }
        return {**derived, **declared}

    def make_form(self, data: Mapping[str, Any], files: Any) -> forms.Form:
        """The form with what was sent; for forms that must know more."""
        return self.form(data, files)

    def form_data(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """What was sent, as the form calls it."""
        return dict(values)

    def form_files(self, values: Mapping[str, Any]) -> Any:
        """Its files by name, as a form takes them."""
        return self.context["request"].FILES

    def validate(self, values: dict[str, Any]) -> dict[str, Any]:
        begun = {
            name: initial() if callable(initial) else initial
            for name, field in self.form.base_fields.items()
            if (initial := field.initial) is not None
        }
        given = {name: value for name, value in self.form_data(values).items() if value is not None}
        self.filled = self.make_form(begun | given, self.form_files(values))
        if not self.filled.is_valid():
            raise serializers.ValidationError(
                {
                    "non_field_errors" if name == "__all__" else name: list(map(str, sentences))
                    for name, sentences in self.filled.errors.items()
                }
            )
        return values
