from django.apps import AppConfig

from mosaic_site.ledger import registry


class MembersConfig(AppConfig):
    name = "mosaic_site.members"

    def ready(self) -> None:
        registry.register(
            {
                "member.made_steward": "made a steward of",
                "member.left": "closed the account of",
                "group.made": "made the group",
                "group.edited": "edited the group",
            }
        )
