from django.urls import path

from mosaic_site.help import views

app_name = "help"
urlpatterns = [
    path("", views.index, name="index"),
    path("<path:slug>/", views.page, name="page"),
]
