from django.apps import AppConfig

from mosaic_site.ledger import registry


class GovernanceConfig(AppConfig):
    name = "governance"

    def ready(self) -> None:
        registry.register(
            {
                "round.opened": "opened the round",
                "ballot.cast": "cast a ballot in the round",
                "round.tallied": "closed and tallied the round",
                "round.no_quorum": "closed without a quorum the round",
                "round.ratified": "ratified the result of the round",
                "round.vetoed": "vetoed the result of the round",
            }
        )
