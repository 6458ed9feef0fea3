"""Keeping what was evaluated, so that nothing is evaluated twice."""

from collections.abc import Sequence

from training_workers.models import Evaluation


def evaluation_keep(
    *,
    adapter_sha256: str,
    base_sha256: str,
    probes_sha256: str,
    decoding: str,
    answers: Sequence[str],
    correct: Sequence[float],
    likelihoods: Sequence[tuple[int, float]],
) -> Evaluation:
    """Keep an evaluation; where another worker was quicker, its row is the one."""
    evaluation, _ = Evaluation.objects.get_or_create(
        adapter_sha256=adapter_sha256,
        base_sha256=base_sha256,
        probes_sha256=probes_sha256,
        decoding=decoding,
        defaults={
            "answers": list(answers),
            "correct": list(correct),
            "likelihoods": [list(one) for one in likelihoods],
        },
    )
    return evaluation
