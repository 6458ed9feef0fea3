from django.apps import AppConfig


class MosaicSiteConfig(AppConfig):
    """Holds the site's commands and template tags, and binds the Celery application."""

    name = "mosaic_site"
    label = "mosaic_site"

    def ready(self) -> None:
        from mosaic_site import celery  # noqa: F401  (settings must be ready first)
        from mosaic_site.health import Check, broker, database, machine, records, register

        register(
            Check("database", database.database),
            Check("migrations", database.migrations, needs=("database",)),
            Check("clock", database.clock, needs=("database",)),
            Check("redis", broker.redis_server),
            Check("workers", broker.workers, needs=("redis",)),
            Check("beat", broker.beat, needs=("redis",)),
            Check("storage", machine.storage),
            Check("room", machine.room),
            Check("mail", machine.mail),
            Check("settings", machine.sound_settings),
            Check("ledger", records.ledger_end, needs=("database", "migrations")),
            Check("whole ledger", records.ledger_chain, needs=("ledger",), slow=True),
            Check("deliveries", records.deliveries, needs=("database", "migrations")),
        )
