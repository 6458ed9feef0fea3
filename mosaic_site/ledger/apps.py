from django.apps import AppConfig


class LedgerConfig(AppConfig):
    name = "mosaic_site.ledger"
