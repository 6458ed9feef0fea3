from django.apps import AppConfig


class NoticesConfig(AppConfig):
    name = "mosaic_site.notices"
