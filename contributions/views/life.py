"""An expert's life as the steps that its page shows."""

from contributions.models import Expert
from contributions.views.guide import Step

_WAY = {
    "submitted": ("Submitted", "A steward reads it and approves it, or returns it with a reason."),
    "approved": ("Approved", "It waits for a free worker."),
    "training": ("Training", "A worker trains it and scores it on the probes."),
    "eligible": ("On the ballot", "Members vote on it in the next round."),
}
# What was trained elsewhere goes the same way, with other words for one step.
_EXAMINED = ("Examined", "A worker checks it and scores it on the probes.")
# Where each state that leaves the way has left it.
_LEFT = {
    "returned": ("submitted", "Returned"),
    "cancelled": ("training", "Cancelled"),
    "failed": ("training", "Failed"),
}


def life_of(expert: Expert) -> list[Step]:
    """Submitted, approved, training, on the ballot; what went another way says so in its place."""
    way = _WAY | ({"training": _EXAMINED} if expert.is_brought else {})
    names = list(way)
    if expert.status == Expert.Status.WITHDRAWN:
        reached = names if expert.trained_at else names[:1]
        past = [Step(way[name][0], "done") for name in reached]
        return [*past, Step("Withdrawn", "current", "No later release contains it.")]
    left, word = _LEFT.get(expert.status, (expert.status, ""))
    now = names.index(left)
    life = []
    for place, name in enumerate(names):
        label, detail = way[name]
        if place < now:
            life.append(Step(label, "done"))
        elif place > now:
            life.append(Step(label, "todo"))
        elif word:
            life.append(Step(word, "current", expert.status_reason))
        else:
            life.append(Step(label, "current", detail))
    return life
