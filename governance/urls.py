from django.urls import URLPattern, path

from governance.views import ballots, moderation, open_data, priorities, proposals, rounds, slates

app_name = "governance"


def moderated(kind: str, here: str) -> list[URLPattern]:
    """The addresses of what can be reported: its own page for that at `here`, and the two verbs."""
    of, at = {"kind": kind}, f"{kind}s/<int:pk>/"
    return [
        path(f"{at}{here}", moderation.detail, of, name=f"{kind}_moderation"),
        path(f"{at}report/", moderation.report, of, name=f"{kind}_report"),
        path(f"{at}answer/", moderation.answer, of, name=f"{kind}_answer"),
    ]


urlpatterns = [
    path("rounds/", rounds.round_list, name="round_list"),
    path("rounds/new/", rounds.round_new, name="round_new"),
    path("rounds/<int:pk>/", rounds.round_detail, name="round_detail"),
    path("rounds/<int:pk>/ratify/", rounds.round_ratify, name="round_ratify"),
    path("rounds/<int:pk>/change/", rounds.round_change, name="round_change"),
    path("rounds/<int:pk>/cancel/", rounds.round_cancel, name="round_cancel"),
    path("rounds/<int:pk>/veto/", rounds.veto_move, name="veto_move"),
    path("vetoes/<int:pk>/second/", rounds.veto_second, name="veto_second"),
    path("vetoes/<int:pk>/withdraw/", rounds.veto_withdraw, name="veto_withdraw"),
    path("rounds/<int:pk>/ballot/", ballots.ballot, name="ballot"),
    path("rounds/<int:pk>/ballot/review/", ballots.ballot_review, name="ballot_review"),
    path("rounds/<int:pk>/ballot/cast/", ballots.ballot_cast, name="ballot_cast"),
    path("rounds/<int:pk>/ballot/receipt/", ballots.ballot_receipt, name="ballot_receipt"),
    path("rounds/<int:pk>/slates/", slates.slate_list, name="slate_list"),
    path("rounds/<int:pk>/slates/mine/", slates.slate_edit, name="slate_edit"),
    path("slates/<int:pk>/", slates.slate_detail, name="slate_detail"),
    path("slates/<int:pk>/take-back/", slates.slate_take_back, name="slate_take_back"),
    path("priorities/<int:pk>/vote/", priorities.priority_vote, name="priority_vote"),
    path("priorities/<int:pk>/merge/", priorities.priority_merge, name="priority_merge"),
    path("proposals/", proposals.proposal_list, name="proposal_list"),
    path("proposals/new/", proposals.proposal_new, name="proposal_new"),
    path("proposals/<int:pk>/", proposals.proposal_detail, name="proposal_detail"),
    path("proposals/<int:pk>/changes/", proposals.proposal_changes, name="proposal_changes"),
    path("proposals/<int:pk>/edit/", proposals.proposal_edit, name="proposal_edit"),
    path("proposals/<int:pk>/withdraw/", proposals.proposal_withdraw, name="proposal_withdraw"),
    path("proposals/<int:pk>/endorse/", proposals.endorse, name="endorse"),
    path(
        "proposals/<int:pk>/endorse/take-back/",
        proposals.endorsement_withdraw,
        name="endorsement_withdraw",
    ),
    path("proposals/<int:pk>/comments/", proposals.comment_add, name="comment_add"),
    path("proposals/<int:pk>/mute/", proposals.thread_mute, name="thread_mute"),
    path("comments/<int:pk>/remove/", moderation.comment_remove, name="comment_remove"),
    *moderated("comment", ""),
    *moderated("proposal", "moderation/"),
    *moderated("slate", "moderation/"),
    path("moderation/", moderation.moderation_queue, name="moderation_queue"),
    path("moderation/policy/", moderation.moderation_policy, name="moderation_policy"),
    path("moderation/log.csv", moderation.moderation_log, name="moderation_log"),
    path("rounds/feed/", open_data.RoundFeed(), name="feed"),
    path("rounds/<int:pk>/chain.jsonl", open_data.round_chain, name="round_chain"),
    path("rounds/<int:pk>/round.zip", open_data.round_export, name="round_export"),
    path("candidates/<int:pk>/", ballots.candidate_detail, name="candidate_detail"),
    path("receipts/", ballots.receipt_check, name="receipt_check"),
]
