"""`mosaic15`: the benchmark of docs/mosaic-15.md, every part over five seeds. Takes an hour or two.

`--data FOLDER` keeps what is measured there and finds it again, so that it can be broken off.
"""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mosaic_site.bench.measurement import Measurement
from training_workers.engine.mosaic15 import summary
from training_workers.engine.mosaic15.experiment import PARTS, SEEDS, measure_all

GAIN = 0.154
PROCESSES = 2


def measure(data: Path | None, say: Callable[[str], None]) -> list[Measurement]:
    with tempfile.TemporaryDirectory() as scratch:
        folder = data or Path(scratch)
        say(f"{len(PARTS)} parts of {len(SEEDS)} seeds")
        results = measure_all(folder, list(SEEDS), list(PARTS), PROCESSES)
    for line in summary.text(results).splitlines():
        say(line)
    return measurements(results)


def measurements(results: Mapping[str, Sequence[Any]]) -> list[Measurement]:
    """The goals of docs/mosaic-15.md, each with its interval, met or not."""
    main = results["main"]
    how = f"mean of 15 tasks, seeds {SEEDS[0]} to {SEEDS[-1]}, intervals of 95 % over seeds"
    score = summary.scores(main)
    found = []
    for rival in ("monolith", "sequential", "general"):
        gain = summary.relative_gain(main, rival)
        found.append(
            Measurement(
                f"mosaic15.{rival}", score["mosaic"].value, "of 1", f"the {rival}",
                score[rival].value, f"Relative gain {gain or 'without bound'}; {how}.",
                "+15.4 % relative", gain is None or gain.value >= GAIN,
            )
        )  # fmt: skip
    if "monolith_chained" in score:
        less = summary.difference(main, "monolith_chained")
        found.append(
            Measurement(
                "mosaic15.same_inference", score["mosaic"].value, "of 1",
                "the pooled monolith with the same chain", score["monolith_chained"].value,
                f"Difference {less}; {how}.", "not below", less.value >= 0,
            )
        )  # fmt: skip
    excess, problems = summary.excess(main, lambda task: True)
    found.append(
        Measurement(
            "mosaic15.emergence", excess.value, "of 1", "as many draws of a single expert", 0.0,
            f"Excess {excess} on {problems} problems; {how}.",
            "0.15, interval above 0", excess.value >= 0.15 and excess.low > 0,
        )
    )  # fmt: skip
    failed, of = summary.regressions(main)
    found.append(
        Measurement(
            "mosaic15.regressions", failed / max(1, of), "of 1", "none", 0.0,
            f"{failed} of {of} that their own expert surely solves.", "under 0.02",
            failed < 0.02 * of,
        )
    )  # fmt: skip
    better, kept, count = summary.own_priorities(main)
    found.append(
        Measurement(
            "mosaic15.own_priority", kept / count, "of 1", "their own expert alone", 1.0,
            f"{kept} of {count} contributors not worse off on their own priorities; {better} "
            "better off than with the base.",
            "0.9, and all above the base", kept >= 0.9 * count and better == count,
        )
    )  # fmt: skip
    return found
