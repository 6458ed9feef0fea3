from django.urls import path

from governance.api import proposals, rounds

ROUND, PROPOSAL = "rounds/<int:pk>/", "proposals/<int:pk>/"

urlpatterns = [
    path("priorities/<int:pk>/opinion/", proposals.Opinion.as_view(), name="opinion"),
    path("proposals/", proposals.Proposals.as_view(), name="proposals"),
    path(PROPOSAL, proposals.OneProposal.as_view(), name="proposal"),
    path(f"{PROPOSAL}withdraw/", proposals.Withdraw.as_view(), name="proposal_withdraw"),
    path(f"{PROPOSAL}endorsement/", proposals.Endorsement.as_view(), name="endorsement"),
    path(f"{PROPOSAL}mute/", proposals.Mute.as_view(), name="mute"),
    path(f"{PROPOSAL}comments/", proposals.Comments.as_view(), name="comments"),
    path(f"{PROPOSAL}report/", proposals.ReportProposal.as_view(), name="proposal_report"),
    path("comments/<int:pk>/", proposals.OneComment.as_view(), name="comment"),
    path("comments/<int:pk>/report/", proposals.ReportComment.as_view(), name="comment_report"),
    path("rounds/", rounds.Rounds.as_view(), name="rounds"),
    path(ROUND, rounds.OneRound.as_view(), name="round"),
    path(f"{ROUND}candidates/", rounds.Candidates.as_view(), name="candidates"),
    path(f"{ROUND}questions/", rounds.Questions.as_view(), name="questions"),
    path(f"{ROUND}ballot/", rounds.OwnBallot.as_view(), name="ballot"),
    path(f"{ROUND}decision/", rounds.OneDecision.as_view(), name="decision"),
    path(f"{ROUND}slates/", rounds.Slates.as_view(), name="slates"),
    path(f"{ROUND}slates/mine/", rounds.OwnSlate.as_view(), name="own_slate"),
    path("slates/<int:pk>/", rounds.OneSlate.as_view(), name="slate"),
    path("slates/<int:pk>/report/", proposals.ReportSlate.as_view(), name="slate_report"),
    path("receipts/<str:receipt>/", rounds.OneReceipt.as_view(), name="receipt"),
]
