from django.apps import AppConfig

from mosaic_site import health
from mosaic_site.ledger import registry
from mosaic_site.notices import registry as notices


class GovernanceConfig(AppConfig):
    name = "governance"

    def ready(self) -> None:
        registry.register(
            {
                "round.scheduled": "planned the round",
                "round.changed": "changed the plan of the round",
                "round.discussed": "opened the discussion of the round",
                "round.frozen": "froze the round",
                "round.opened": "opened the round",
                "round.closed": "closed the round",
                "round.tallied": "tallied the round",
                "round.no_quorum": "found no quorum in the round",
                "round.counted_again": "counted again the round",
                "round.ratified": "ratified the result of the round",
                "round.annulled": "annulled the round",
                "veto.moved": "moved a veto in the round",
                "veto.seconded": "joined a veto in the round",
                "veto.withdrawn": "withdrew a veto in the round",
                "proposal.made": "made the proposal",
                "proposal.changed": "changed the proposal",
                "proposal.withdrawn": "withdrew the proposal",
                "comment.removed": "removed a comment on the proposal",
                "comment.kept": "kept a reported comment on the proposal",
                "comment.removal_upheld": "upheld the removal of a comment on the proposal",
                "comment.restored": "put back a comment on the proposal",
                "proposal.removed": "removed from sight the proposal",
                "proposal.kept": "kept the reported proposal",
                "proposal.removal_upheld": "upheld the removal of the proposal",
                "proposal.restored": "put back the proposal",
                "slate.removed": "removed from sight a recommended ballot in the round",
                "slate.kept": "kept a reported recommended ballot in the round",
                "slate.removal_upheld": "upheld the removal of a recommended ballot in the round",
                "slate.restored": "put back a recommended ballot in the round",
                "slate.published": "recommended a ballot in the round",
                "slate.changed": "changed a recommended ballot in the round",
                "slate.taken_back": "took back a recommended ballot in the round",
            }
        )
        from governance.health import counts, rounds

        health.register(
            health.Check("rounds", rounds, needs=("database", "migrations")),
            health.Check("counts", counts, needs=("database", "migrations")),
        )
        notices.register(
            {
                "round.open": notices.Kind("Voting opens", immediate=True),
                "round.last_day": notices.Kind(
                    "A day is left and I have not voted", immediate=True
                ),
                "round.result": notices.Kind("A result is there", immediate=True),
                "veto.moved": notices.Kind("A veto waits for a second steward"),
                "proposal.changed": notices.Kind("A proposal that I endorsed changed"),
                "proposal.withdrawn": notices.Kind("A proposal of interest to me was withdrawn"),
                "comment.added": notices.Kind("A discussion that concerns me goes on"),
                "comment.answered": notices.Kind("A steward judged what I wrote or reported"),
                "comment.reported": notices.Kind("Something that was reported waits for a steward"),
            }
        )
