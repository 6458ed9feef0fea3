"""The addresses below /api/v1/. Each app's stand in its own `api` folder."""

from django.urls import include, path

from mosaic_site.api import views

app_name = "api"
urlpatterns = [
    path("", views.reference, name="reference"),
    path("schema/", views.schema, name="schema"),
    path("me/", views.Me.as_view(), name="me"),
    path("me/group/", views.MyGroup.as_view(), name="my_group"),
    path("groups/", views.Groups.as_view(), name="groups"),
    path("inbox/", views.Inbox.as_view(), name="inbox"),
    path("inbox/read/", views.ReadInbox.as_view(), name="inbox_read"),
    path("inbox/<int:pk>/read/", views.ReadNotice.as_view(), name="notice_read"),
    path("ledger/", views.Ledger.as_view(), name="ledger"),
    path("", include("contributions.api.urls")),
    path("", include("governance.api.urls")),
    path("", include("training_workers.api.urls")),
]
