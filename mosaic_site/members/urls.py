from django.urls import path

from mosaic_site.members import views

app_name = "members"
urlpatterns = [
    path("me/", views.me, name="me"),
    path("me/leave/", views.leave, name="leave"),
    path("me/tokens/", views.token_list, name="token_list"),
    path("me/tokens/<int:pk>/revoke/", views.token_revoke, name="token_revoke"),
    path("groups/", views.group_list, name="group_list"),
    path("groups/new/", views.group_new, name="group_new"),
    path("groups/<int:pk>/", views.group_edit, name="group_edit"),
]
