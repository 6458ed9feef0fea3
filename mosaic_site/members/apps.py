from django.apps import AppConfig


class MembersConfig(AppConfig):
    name = "mosaic_site.members"
