from django.urls import path

from governance.views import ballots, rounds

app_name = "governance"
urlpatterns = [
    path("rounds/", rounds.round_list, name="round_list"),
    path("rounds/new/", rounds.round_new, name="round_new"),
    path("rounds/<int:pk>/", rounds.round_detail, name="round_detail"),
    path("rounds/<int:pk>/ratify/", rounds.round_ratify, name="round_ratify"),
    path("rounds/<int:pk>/veto/", rounds.round_veto, name="round_veto"),
    path("rounds/<int:pk>/ballot/", ballots.ballot, name="ballot"),
    path("rounds/<int:pk>/ballot/review/", ballots.ballot_review, name="ballot_review"),
    path("rounds/<int:pk>/ballot/cast/", ballots.ballot_cast, name="ballot_cast"),
]
