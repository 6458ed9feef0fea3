from django.apps import AppConfig

from mosaic_site import health
from mosaic_site.ledger import registry


class TrainingWorkersConfig(AppConfig):
    name = "training_workers"

    def ready(self) -> None:
        from training_workers.health import base, base_files, jobs, releases, serving

        rows = ("database", "migrations")
        health.register(
            health.Check("base", base, needs=rows),
            health.Check("base files", base_files, needs=rows, slow=True),
            health.Check("jobs", jobs, needs=rows),
            health.Check("releases", releases, needs=rows),
            health.Check("serving", serving, needs=("redis",)),
        )
        registry.register(
            {
                "job.queued_late": "queued late the job",
                "job.requeued": "took up again the job",
                "job.failed": "gave up the job",
                "job.prioritised": "changed the place in the queue of the job",
                "job.cancel_requested": "asked to cancel the job",
                "release.composing": "began to compose",
                "release.live": "made live",
                "release.retired": "retired",
                "release.failed": "could not compose",
                "release.reduced": "took what left out of",
                "release.taken_down": "took down to its fallback",
                "release.rolled_back": "rolled back to",
            }
        )
