"""Which column or key holds the prompt, and which the completion."""

from collections.abc import Sequence
from dataclasses import dataclass

from contributions.intake.report import Shape

# In order of preference.
PROMPTS = ("prompt", "question", "instruction", "input", "text", "utterance", "sentence", "query",
           "message", "user")  # fmt: skip
LABELS = ("label", "intent", "category", "class")
COMPLETIONS = ("completion", "answer", "output", "response", "target", "assistant")

EXPECTED = (
    f"one column for the prompt ({', '.join(PROMPTS)}) and one for the answer "
    f"({', '.join(LABELS + COMPLETIONS)})"
)


@dataclass(frozen=True)
class Columns:
    """The prompt columns (more than one are joined by a blank line) and the completion column."""

    prompt: tuple[str, ...]
    completion: str
    shape: Shape

    @property
    def used(self) -> tuple[str, ...]:
        return (*self.prompt, self.completion)


def choose_columns(names: Sequence[str]) -> Columns | None:
    """The columns to use among `names`, or None if there is no prompt or no completion.

    Instruction data keeps its two prompt columns, `instruction` and `input`, because the second
    continues the first.
    """
    by_meaning = {_meaning(name): name for name in names}
    prompts = [by_meaning[word] for word in PROMPTS if word in by_meaning]
    completions = [by_meaning[word] for word in COMPLETIONS + LABELS if word in by_meaning]
    if not prompts or not completions:
        return None
    shape: Shape = "text_label" if _meaning(completions[0]) in LABELS else "prompt_completion"
    if _meaning(prompts[0]) == "instruction" and "input" in by_meaning:
        return Columns((prompts[0], by_meaning["input"]), completions[0], shape)
    return Columns((prompts[0],), completions[0], shape)


def _meaning(name: str) -> str:
    return name.strip().casefold()
