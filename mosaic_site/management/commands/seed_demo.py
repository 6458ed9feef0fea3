from typing import Any

from django.core.management.base import BaseCommand

from contributions.actions import base_register
from contributions.models import Base
from mosaic_site.demo import story
from training_workers.engine.bases import POCKET, describe_base


class Command(BaseCommand):
    help = "Create the demo community and print its sign-ins. Running it again changes nothing."

    def handle(self, *args: Any, **options: Any) -> None:
        if not Base.objects.filter(active=True).exists():
            facts = describe_base(str(POCKET))
            base_register(
                name="pocket",
                source=str(POCKET),
                revision="",
                sha256=facts.sha256,
                parameters=facts.parameters,
                context_length=facts.context_length,
                licence=facts.licence,
                activate=True,
            )
        story.seed()
        for username, name, _ in story.SIGN_INS:
            self.stdout.write(f"{username:12} password {story.PASSWORD}   {name}")
