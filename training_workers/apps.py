from django.apps import AppConfig

from mosaic_site.ledger import registry


class TrainingWorkersConfig(AppConfig):
    name = "training_workers"

    def ready(self) -> None:
        registry.register(
            {
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
