from django.apps import AppConfig

from mosaic_site import health
from mosaic_site.ledger import registry
from mosaic_site.notices import registry as notices


class ContributionsConfig(AppConfig):
    name = "contributions"

    def ready(self) -> None:
        registry.register(
            {
                "priority.declared": "declared the priority",
                "priority.retired": "retired the priority",
                "priority.merged": "merged into another the priority",
                "dataset.uploaded": "uploaded",
                "dataset.checked": "checked",
                "dataset.rejected": "found errors in",
                "dataset.unmapped": "could not tell the columns of",
                "dataset.mapped": "said which column is what in",
                "dataset.requeued": "took up again the work on",
                "dataset.recheck_asked": "asked for another check of",
                "dataset.acknowledged": "answers for the personal data in",
                "dataset.mask_asked": "asked for a copy without personal data of",
                "dataset.masked": "masked the personal data and so made",
                "dataset.described": "wrote the card of",
                "dataset.published": "published",
                "dataset.withdrawn": "withdrew the data",
                "dataset.erased": "erased the files of",
                "base.registered": "registered the base",
                "base.activated": "made active the base",
                "expert.submitted": "submitted the expert",
                "expert.brought": "brought the trained expert",
                "expert.approved": "approved for training the expert",
                "expert.admitted": "approved for examination the expert",
                "expert.returned": "returned the expert",
                "expert.training": "began to train the expert",
                "expert.examining": "began to examine the expert",
                "expert.eligible": "trained and evaluated the expert",
                "expert.examined": "examined and evaluated the expert",
                "expert.failed": "could not train or examine the expert",
                "expert.cancelled": "cancelled the training of the expert",
                "expert.withdrawn": "withdrew the expert",
                "expert.erased": "erased the adapter of the expert",
            }
        )
        # The models are there only now.
        from contributions.access import data_known_to
        from contributions.health import checking

        registry.keep_private(
            ("contributions.dataset", "contributions.datasetversion"),
            registry.Privacy("a private dataset", data_known_to),
        )
        health.register(health.Check("datasets", checking, needs=("database", "migrations")))
        notices.register(
            {
                "expert.answered": notices.Kind("My submission was answered", immediate=True),
                "expert.taken_along": notices.Kind("Data that my expert learnt from was withdrawn"),
                "expert.findings": notices.Kind("The checks of an expert found something"),
            }
        )
