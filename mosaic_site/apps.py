from django.apps import AppConfig


class MosaicSiteConfig(AppConfig):
    """Holds the site's commands and template tags, and binds the Celery application."""

    name = "mosaic_site"
    label = "mosaic_site"

    def ready(self) -> None:
        from mosaic_site import celery  # noqa: F401  (settings must be ready first)
