from django.urls import path

from training_workers.api import views

RELEASE = "releases/<int:number>/"

urlpatterns = [
    path("jobs/", views.Jobs.as_view(), name="jobs"),
    path("jobs/<int:pk>/", views.OneJob.as_view(), name="job"),
    path("jobs/<int:pk>/events/", views.JobEvents.as_view(), name="job_events"),
    path("jobs/<int:pk>/cancel/", views.CancelJob.as_view(), name="job_cancel"),
    path("releases/", views.Releases.as_view(), name="releases"),
    path(RELEASE, views.OneRelease.as_view(), name="release"),
    path(f"{RELEASE}report/", views.ReleaseReport.as_view(), name="release_report"),
]
