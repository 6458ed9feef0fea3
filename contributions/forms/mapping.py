from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django import forms

UNUSED, PROMPT, ANSWER, LABEL, CHOICE, CONVERSATION, TEXT = (
    *("", "prompt", "answer", "label", "choice", "conversation", "text"),
)
ROLES = [
    (UNUSED, "Not used"),
    (PROMPT, "Prompt or question"),
    (ANSWER, "Answer"),
    (LABEL, "Label"),
    (CHOICE, "Choice, or list of choices"),
    (CONVERSATION, "Conversation"),
    (TEXT, "Text to continue"),
]
# The whole row is in one such column.
ALONE = {CONVERSATION: "chat", TEXT: "plain_text"}


class MappingForm(forms.Form):
    """Which column is what. After `is_valid`, `mapping` has it as a check takes it."""

    def __init__(
        self, *args: Any, columns: Sequence[str], mapping: Mapping[str, Any], **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.columns = list(columns)
        self.mapping: dict[str, Any] = {}
        roles = _roles(mapping)
        for place, column in enumerate(self.columns):
            # Numbered: a column may be called anything.
            self.fields[f"column_{place}"] = forms.ChoiceField(
                label=column, choices=ROLES, required=False, initial=roles.get(column, UNUSED)
            )

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        of: dict[str, list[str]] = {role: [] for role, _ in ROLES}
        for place, column in enumerate(self.columns):
            of[values.get(f"column_{place}") or UNUSED].append(column)
        del of[UNUSED]
        used = {role: columns for role, columns in of.items() if columns}
        if not self.errors:
            self.mapping = _mapping(used)
        return values


def _mapping(used: Mapping[str, list[str]]) -> dict[str, Any]:
    """The mapping for these columns by role. Raises ValidationError where they make no row."""
    for role, shape in ALONE.items():
        if role not in used:
            continue
        if len(used) > 1 or len(used[role]) > 1:
            name = dict(ROLES)[role]
            raise forms.ValidationError(
                f"“{name}” holds a whole row, so choose it for one column, and “Not used” for "
                "all others."
            )
        column = used[role][0]
        if role == CONVERSATION:
            return {"shape": shape, "prompt": [column], "completion": ""}
        return {"shape": shape, "prompt": [], "completion": column}
    answers = used.get(ANSWER, []) + used.get(LABEL, [])
    if not used.get(PROMPT):
        raise forms.ValidationError(
            "Choose the column with the prompts. It is what the model will be asked."
        )
    if len(answers) != 1:
        raise forms.ValidationError(
            f"Choose one column with the answers or the labels; you chose {len(answers) or 'none'}."
        )
    shape = "text_label" if LABEL in used else "prompt_completion"
    mapping: dict[str, Any] = {"shape": shape, "prompt": used[PROMPT], "completion": answers[0]}
    if CHOICE in used:
        mapping |= {"shape": "multiple_choice", "choices": used[CHOICE]}
    return mapping


def _roles(mapping: Mapping[str, Any]) -> dict[str, str]:
    """Column -> role of a mapping, to begin with."""
    shape = mapping.get("shape")
    prompt = CONVERSATION if shape == "chat" else PROMPT
    answer = {"text_label": LABEL, "plain_text": TEXT}.get(str(shape), ANSWER)
    return {
        **dict.fromkeys(mapping.get("prompt", ()), prompt),
        **dict.fromkeys(mapping.get("choices", ()), CHOICE),
        mapping.get("completion", ""): answer,
    }
