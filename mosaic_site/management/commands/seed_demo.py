from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand

from contributions.models import Base
from mosaic_site.demo import story


class Command(BaseCommand):
    help = "Create the demo community and print its sign-ins. Running it again changes nothing."

    def handle(self, *args: Any, **options: Any) -> None:
        # Also where it is registered: the project's folder may have moved.
        other = Base.objects.filter(active=True).exclude(name="pocket").exists()
        call_command("register_base", name="pocket", inactive=other, verbosity=0)
        story.seed()
        for username, name, _ in story.SIGN_INS:
            self.stdout.write(f"{username:12} password {story.PASSWORD}   {name}")
