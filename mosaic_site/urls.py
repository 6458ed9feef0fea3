"""Every address of the site. Each app names its own below its noun."""

from django.urls import include, path

from mosaic_site import export, home
from mosaic_site.members.views import JoinView
from mosaic_site.monitoring import views as monitoring

urlpatterns = [
    path("", home.home, name="home"),
    path("healthz", monitoring.healthz, name="healthz"),
    path("readyz", monitoring.readyz, name="readyz"),
    path("metrics", monitoring.metrics, name="metrics"),
    path("account/signup/", JoinView.as_view(), name="account_signup"),
    path("me/export/", export.my_export, name="my_export"),
    path("account/", include("allauth.urls")),
    path("api/v1/", include("mosaic_site.api.urls")),
    path("ledger/", include("mosaic_site.ledger.urls")),
    path("help/", include("mosaic_site.help.urls")),
    path("inbox/", include("mosaic_site.notices.urls")),
    path("", include("mosaic_site.members.urls")),
    path("", include("contributions.urls")),
    path("", include("governance.urls")),
    path("", include("training_workers.urls")),
]

handler404 = "mosaic_site.views.missing"
handler500 = "mosaic_site.views.broken"
