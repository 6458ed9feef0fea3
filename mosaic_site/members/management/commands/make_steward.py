from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from mosaic_site.errors import Refused
from mosaic_site.members.actions import member_make_steward


class Command(BaseCommand):
    help = "Make a steward of a member, who may then approve, open rounds and ratify."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("username")

    def handle(self, *args: Any, username: str, **options: Any) -> None:
        try:
            member_make_steward(username=username)
        except Refused as refusal:
            raise CommandError(str(refusal)) from refusal
        self.stdout.write(f"{username} is a steward now.")
