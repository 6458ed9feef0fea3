"""Whether data can teach what a priority asks for."""

from collections.abc import Iterable

from contributions.models import DatasetVersion, Priority


def answers_never_seen(priority: Priority, versions: Iterable[DatasetVersion]) -> list[str]:
    """Answers that the open probes expect and that are no label of the data, sorted.

    Nothing where it cannot be told: data that are not texts with labels, or with more labels
    than their reports list, and probes whose answers need not be said in the same words. Sealed
    probes are not looked at, so nothing can be learnt of them.
    """
    if priority.task_type != Priority.TaskType.EXACT_MATCH:
        return []
    labels: set[str] = set()
    for version in versions:
        report = version.report
        if report is None or report.shape != "text_label":
            return []
        if report.counts["labels"] > len(report.labels):
            return []
        labels |= {label.casefold().strip() for label, _ in report.labels}
    answers = priority.probes.open().order_by().values_list("answer", flat=True).distinct()
    return sorted(answer for answer in answers if answer.casefold().strip() not in labels)
