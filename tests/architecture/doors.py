"""Every address of the site and for whom it is. The tests beside this file hold the site to it."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any

from django.urls import URLPattern, URLResolver, get_resolver

# Nobody; a member who has nothing to do with the thing; the member whose it is; a steward.
PEOPLE = ("visitor", "stranger", "owner", "steward")


class Answer(Enum):
    """What somebody gets who asks."""

    PAGE = "a page"
    FILE = "a file, sent bit by bit"
    DONE = "it is done, and the ledger says so"
    TAKEN = "it is done or will be, and nobody else hears of it"
    ELSEWHERE = "another page"
    LOGIN = "the page to sign in"
    MISSING = "there is no such thing"
    NOT_ALLOWED = "not with this method"
    UNKNOWN = "a program hears that nobody is signed in"
    INCOMPLETE = "a program hears what is missing"
    UNREADY = "a program hears that something that is needed is away"
    REFUSED = "a program hears why it cannot be done"
    NO_SCOPE = "a program hears that its token is not for this"


Answers = tuple[Answer, Answer, Answer, Answer]


@dataclass(frozen=True)
class Door:
    """What each of `PEOPLE` gets. The POST brings a reason and nothing else."""

    get: Answers
    post: Answers
    # Of programs' addresses only; None where there is no such method.
    put: Answers | None = None
    delete: Answers | None = None


_PAGE, _DONE, _LOGIN, _MISSING = Answer.PAGE, Answer.DONE, Answer.LOGIN, Answer.MISSING


def _page(*answers: Answer) -> Door:
    """Shows the same however it is asked: without its fields a form comes back."""
    visitor, stranger, owner, steward = answers
    return Door((visitor, stranger, owner, steward), (visitor, stranger, owner, steward))


def _verb(*answers: Answer) -> Door:
    visitor, stranger, owner, steward = answers
    no = Answer.NOT_ALLOWED
    return Door((no, no, no, no), (visitor, stranger, owner, steward))


PUBLIC = _page(_PAGE, _PAGE, _PAGE, _PAGE)
# For programs that bring a token of the operator's; there is none in these tests.
NOBODYS = Door(get=(_MISSING,) * 4, post=(Answer.NOT_ALLOWED,) * 4)
# Redis, in these tests.
UNREADY = _page(*[Answer.UNREADY] * 4)
PRIVATE = _page(_MISSING, _MISSING, _PAGE, _PAGE)
MEMBERS = _page(_LOGIN, _PAGE, _PAGE, _PAGE)
# A link made for the owner: it opens nothing for anybody else.
OWNERS_FILE = _page(_MISSING, _MISSING, Answer.FILE, _MISSING)
OWNERS = _page(_LOGIN, _MISSING, _PAGE, _MISSING)
WITHDRAWING = Door(get=(_LOGIN, _MISSING, _PAGE, _PAGE), post=(_LOGIN, _MISSING, _DONE, _DONE))
STEWARDS = _page(_LOGIN, _MISSING, _MISSING, _PAGE)
MEMBERS_VERB = _verb(_LOGIN, _DONE, _DONE, _DONE)
OWNERS_VERB = _verb(_LOGIN, _MISSING, _DONE, _MISSING)
OWNERS_OR_STEWARDS_VERB = _verb(_LOGIN, _MISSING, _DONE, _DONE)
STEWARDS_VERB = _verb(_LOGIN, _MISSING, _MISSING, _DONE)
_FILE = Answer.FILE
PUBLIC_FILE = Door(get=(_FILE, _FILE, _FILE, _FILE), post=(Answer.NOT_ALLOWED,) * 4)
OWN_FILE = Door(
    get=(_LOGIN, Answer.FILE, Answer.FILE, Answer.FILE),
    post=(Answer.NOT_ALLOWED, Answer.NOT_ALLOWED, Answer.NOT_ALLOWED, Answer.NOT_ALLOWED),
)
# Nothing to look back over without a choice: that comes with the POST.
REVIEW = Door(
    get=(_LOGIN, Answer.ELSEWHERE, Answer.ELSEWHERE, Answer.ELSEWHERE),
    post=(_LOGIN, _PAGE, _PAGE, _PAGE),
)

# Leads on, for whoever it is for; neither answer is in the ledger.
_ELSEWHERE = Answer.ELSEWHERE
OWNERS_WAY_ON = _page(_LOGIN, _MISSING, _ELSEWHERE, _MISSING)
PRIVATE_WAY_ON = _page(_MISSING, _MISSING, _ELSEWHERE, _ELSEWHERE)
# Without its tick it is refused, and leads back.
OWNERS_ANSWER = _verb(_LOGIN, _MISSING, _ELSEWHERE, _MISSING)
MEMBERS_WAY_ON = _verb(_LOGIN, _ELSEWHERE, _ELSEWHERE, _ELSEWHERE)
MEMBERS_FORM = _verb(_LOGIN, _PAGE, _PAGE, _PAGE)
# Shows one's own, and leads back who has none.
MEMBERS_WAY_ON_PAGE = _page(_LOGIN, _ELSEWHERE, _ELSEWHERE, _ELSEWHERE)
# Without its fields the form comes back.
STEWARDS_FORM = _verb(_LOGIN, _MISSING, _MISSING, _PAGE)
# What a member says of themselves; every field may be left empty.
OWN_SETTINGS = Door(get=MEMBERS.get, post=MEMBERS_WAY_ON.post)

# Endpoints of programs: no page to sign in, and what is missing is said in the answer.
_UNKNOWN, _INCOMPLETE = Answer.UNKNOWN, Answer.INCOMPLETE
_NO = Answer.NOT_ALLOWED
_TAKEN = Answer.TAKEN
_NOTHING: Answers = (_UNKNOWN, _NO, _NO, _NO)
_ASKED: Answers = (_UNKNOWN, _INCOMPLETE, _INCOMPLETE, _INCOMPLETE)
_ASKED_OWNER: Answers = (_UNKNOWN, _MISSING, _INCOMPLETE, _MISSING)
_DONE_BY_OWNER: Answers = (_UNKNOWN, _MISSING, _DONE, _MISSING)
_DONE_BY_BOTH: Answers = (_UNKNOWN, _MISSING, _DONE, _DONE)
_TAKEN_FROM_OWNER: Answers = (_UNKNOWN, _MISSING, _TAKEN, _MISSING)
_FOR_ALL: Answers = (_PAGE, _PAGE, _PAGE, _PAGE)
_FOR_MEMBERS: Answers = (_UNKNOWN, _PAGE, _PAGE, _PAGE)
_FOR_BOTH: Answers = (_MISSING, _MISSING, _PAGE, _PAGE)


def _api(get: Answers = _NOTHING, post: Answers = _NOTHING, **more: Answers) -> Door:
    """An address of the API; a visitor may not even ask for a method that changes something."""
    return Door(get, post, more.get("put", _NOTHING), more.get("delete", _NOTHING))


def _api_verb(post: Answers) -> Door:
    return _api((_NO, _NO, _NO, _NO), post)


def _api_put(put: Answers, **more: Answers) -> Door:
    return _api((_NO, _NO, _NO, _NO), put=put, **more)


READ_ONLY = Door(_FOR_ALL, (_NO, _NO, _NO, _NO))
API_PUBLIC = _api(_FOR_ALL)
API_PRIVATE = _api(_FOR_BOTH)
API_FILE = _api((_MISSING, _MISSING, Answer.FILE, Answer.FILE))
# Whoever wrote it is told that they can take it back; others name a ground.
API_REPORT = _api_verb((_UNKNOWN, _INCOMPLETE, Answer.REFUSED, _INCOMPLETE))
MOVED = _page(Answer.ELSEWHERE, Answer.ELSEWHERE, Answer.ELSEWHERE, Answer.ELSEWHERE)
# Programs with a token alone; who is signed in with a browser is nobody there.
_NOBODY = (_UNKNOWN, _UNKNOWN, _UNKNOWN, _UNKNOWN)
TOKENS_PAGE = Door(get=_NOBODY, post=(_NO, _NO, _NO, _NO))
TOKENS_VERB = _verb(*_NOBODY)
TOKENS_ANYTHING = _page(*_NOBODY)
# Shows one's own; there is nothing to send to it.
MEMBERS_PAGE = Door(get=MEMBERS.get, post=(_NO, _NO, _NO, _NO))
OWNERS_PAGE = Door(get=OWNERS.get, post=(_NO, _NO, _NO, _NO))
# Personal, so that the ledger does not hear of it.
OWNERS_WAY_ON_VERB = _verb(_LOGIN, _MISSING, _ELSEWHERE, _MISSING)

# name -> its door, and the thing in its address, if any (see `things.Things`).
DOORS: dict[str, tuple[Door, str]] = {
    "home": (PUBLIC, ""),
    "healthz": (PUBLIC, ""),
    "readyz": (UNREADY, ""),
    "metrics": (NOBODYS, ""),
    "ledger:list": (PUBLIC, ""),
    "help:index": (PUBLIC, ""),
    "help:page": (PUBLIC, "help"),
    "notices:inbox": (MEMBERS, ""),
    "notices:read_all": (MEMBERS_WAY_ON, ""),
    "notices:open": (OWNERS_WAY_ON, "notice"),
    "members:me": (OWN_SETTINGS, ""),
    "members:leave": (MEMBERS, ""),
    "my_export": (OWN_FILE, ""),
    "members:token_list": (MEMBERS, ""),
    "members:token_revoke": (OWNERS_WAY_ON_VERB, "token"),
    "members:group_list": (PUBLIC, ""),
    "members:group_new": (STEWARDS, ""),
    "members:group_edit": (STEWARDS, "group"),
    "contributions:priority_list": (PUBLIC, ""),
    "contributions:priority_new": (MEMBERS, ""),
    "contributions:priority_detail": (PUBLIC, "priority"),
    "contributions:priority_retire": (STEWARDS_VERB, "priority"),
    "contributions:dataset_list": (PUBLIC, ""),
    "contributions:dataset_new": (MEMBERS, ""),
    "contributions:dataset_detail": (PRIVATE, "dataset"),
    "contributions:dataset_card": (OWNERS, "dataset"),
    "contributions:dataset_version_new": (OWNERS, "dataset"),
    "contributions:dataset_publish": (OWNERS_VERB, "dataset"),
    "contributions:dataset_diff": (PRIVATE, "dataset"),
    "contributions:dataset_readme": (PRIVATE, "dataset"),
    "contributions:version_download": (PRIVATE_WAY_ON, "version"),
    "contributions:version_rows": (PRIVATE_WAY_ON, "version"),
    "contributions:download": (OWNERS_FILE, "owners_link"),
    "contributions:dataset_withdraw": (WITHDRAWING, "dataset"),
    "contributions:version_withdraw": (WITHDRAWING, "version"),
    "contributions:version_detail": (PRIVATE, "version"),
    "contributions:version_recheck": (OWNERS_VERB, "unchecked_version"),
    "contributions:version_report": (PRIVATE, "version"),
    "contributions:version_findings": (PRIVATE, "version"),
    "contributions:version_mapping": (OWNERS, "unmapped_version"),
    "contributions:version_acknowledge": (OWNERS_ANSWER, "personal_version"),
    "contributions:version_mask": (OWNERS_VERB, "personal_version"),
    "contributions:upload_list": (MEMBERS_PAGE, ""),
    "contributions:upload_detail": (OWNERS_PAGE, "upload"),
    "contributions:upload_delete": (OWNERS_WAY_ON_VERB, "upload"),
    "contributions:uploads_moved": (MOVED, ""),
    "contributions:expert_list": (PUBLIC, ""),
    "contributions:expert_new": (MEMBERS, ""),
    "contributions:expert_bring": (MEMBERS, ""),
    "contributions:adapter_upload": (MEMBERS, ""),
    "contributions:expert_bring_again": (OWNERS, "returned_brought_expert"),
    "contributions:expert_detail": (PUBLIC, "expert"),
    "contributions:expert_approve": (STEWARDS_VERB, "expert"),
    "contributions:expert_return": (STEWARDS_VERB, "expert"),
    "contributions:expert_withdraw": (WITHDRAWING, "expert"),
    "contributions:expert_resubmit": (OWNERS, "returned_expert"),
    "governance:round_list": (PUBLIC, ""),
    "governance:round_new": (STEWARDS, ""),
    "governance:round_detail": (PUBLIC, "tallied_round"),
    "governance:round_ratify": (STEWARDS_VERB, "tallied_round"),
    "governance:veto_move": (STEWARDS_FORM, "tallied_round"),
    "governance:veto_second": (STEWARDS_VERB, "veto"),
    "governance:veto_withdraw": (OWNERS_VERB, "own_veto"),
    "governance:round_change": (STEWARDS_FORM, "planned_round"),
    "governance:round_cancel": (STEWARDS_VERB, "planned_round"),
    "governance:receipt_check": (PUBLIC, ""),
    "governance:feed": (PUBLIC, ""),
    "governance:round_chain": (PUBLIC, "open_round"),
    "governance:round_export": (PUBLIC, "tallied_round"),
    "governance:ballot_receipt": (MEMBERS_WAY_ON_PAGE, "open_round"),
    "governance:ballot": (MEMBERS, "open_round"),
    "governance:ballot_review": (REVIEW, "open_round"),
    "governance:ballot_cast": (MEMBERS_WAY_ON, "open_round"),
    "governance:candidate_detail": (PUBLIC, "candidate"),
    "governance:slate_list": (PUBLIC, "open_round"),
    "governance:slate_edit": (MEMBERS, "open_round"),
    "governance:slate_detail": (PUBLIC, "slate"),
    "governance:slate_take_back": (OWNERS_VERB, "slate"),
    "governance:priority_vote": (MEMBERS_WAY_ON, "priority"),
    "governance:priority_merge": (STEWARDS, "priority"),
    "governance:proposal_list": (PUBLIC, ""),
    "governance:proposal_new": (MEMBERS, ""),
    "governance:proposal_detail": (PUBLIC, "proposal"),
    "governance:proposal_changes": (PUBLIC, "proposal"),
    "governance:proposal_edit": (OWNERS, "proposal"),
    "governance:proposal_withdraw": (OWNERS_OR_STEWARDS_VERB, "proposal"),
    "governance:endorse": (MEMBERS_WAY_ON, "proposal"),
    "governance:endorsement_withdraw": (MEMBERS_WAY_ON, "proposal"),
    "governance:thread_mute": (MEMBERS_WAY_ON, "proposal"),
    "governance:comment_add": (MEMBERS_FORM, "proposal"),
    "governance:comment_moderation": (PUBLIC, "comment"),
    "governance:comment_remove": (OWNERS_VERB, "comment"),
    "governance:comment_report": (MEMBERS_FORM, "comment"),
    "governance:comment_answer": (STEWARDS_FORM, "comment"),
    "governance:proposal_moderation": (PUBLIC, "proposal"),
    "governance:proposal_report": (MEMBERS_FORM, "proposal"),
    "governance:proposal_answer": (STEWARDS_FORM, "proposal"),
    "governance:slate_moderation": (PUBLIC, "slate"),
    "governance:slate_report": (MEMBERS_FORM, "slate"),
    "governance:slate_answer": (STEWARDS_FORM, "slate"),
    "governance:moderation_queue": (STEWARDS, ""),
    "governance:moderation_policy": (PUBLIC, ""),
    "governance:moderation_log": (PUBLIC, ""),
    "training_workers:job_detail": (PUBLIC, "job"),
    "training_workers:job_panel": (PUBLIC, "job"),
    "training_workers:job_cancel": (OWNERS_OR_STEWARDS_VERB, "job"),
    "training_workers:job_prioritise": (STEWARDS_VERB, "job"),
    "training_workers:expert_training": (PUBLIC, "expert"),
    "training_workers:release_list": (PUBLIC, ""),
    "training_workers:release_detail": (PUBLIC, "release"),
    "training_workers:release_download": (PUBLIC_FILE, "whole_release"),
    "training_workers:release_retry": (STEWARDS_VERB, "failed_release"),
    "training_workers:release_roll_back": (STEWARDS_VERB, "retired_release"),
    "training_workers:talk": (PUBLIC, ""),
    "training_workers:desk": (STEWARDS, ""),
    "training_workers:operations": (STEWARDS, ""),
    "training_workers:v1_models": (TOKENS_PAGE, ""),
    "training_workers:v1_model": (TOKENS_PAGE, "model_name"),
    "training_workers:v1_completions": (TOKENS_VERB, ""),
    "training_workers:v1_chat_completions": (TOKENS_VERB, ""),
    "training_workers:v1_unknown": (TOKENS_ANYTHING, "model_name"),
    "api:reference": (READ_ONLY, ""),
    "api:schema": (READ_ONLY, ""),
    "api:me": (_api(_FOR_MEMBERS), ""),
    "api:my_group": (_api_put(_ASKED), ""),
    "api:groups": (API_PUBLIC, ""),
    "api:inbox": (_api(_FOR_MEMBERS), ""),
    "api:inbox_read": (_api_verb(_ASKED), ""),
    "api:notice_read": (_api_verb(_TAKEN_FROM_OWNER), "notice"),
    "api:ledger": (API_PUBLIC, ""),
    "api:priorities": (_api(_FOR_ALL, _ASKED), ""),
    "api:priority": (API_PUBLIC, "priority"),
    "api:probes": (API_PUBLIC, "priority"),
    "api:opinion": (_api(_FOR_ALL, put=_ASKED), "priority"),
    "api:datasets": (_api(_FOR_ALL, _ASKED), ""),
    "api:dataset": (API_PRIVATE, "dataset"),
    "api:dataset_card": (_api_put(_ASKED_OWNER), "dataset"),
    "api:dataset_publish": (_api_verb(_DONE_BY_OWNER), "dataset"),
    "api:versions": (_api(_FOR_BOTH, _ASKED_OWNER), "dataset"),
    "api:dataset_withdraw": (
        _api((_UNKNOWN, _MISSING, _PAGE, _PAGE), _DONE_BY_BOTH),
        "dataset",
    ),
    "api:version": (API_PRIVATE, "version"),
    "api:version_file": (API_FILE, "version"),
    "api:version_preview": (API_PRIVATE, "version"),
    "api:version_rows": (API_FILE, "version"),
    "api:version_report": (API_PRIVATE, "version"),
    "api:version_recheck": (_api_verb(_DONE_BY_OWNER), "unchecked_version"),
    "api:version_columns": (_api_put(_ASKED_OWNER), "unmapped_version"),
    "api:version_acknowledge": (_api_verb(_ASKED_OWNER), "personal_version"),
    "api:version_mask": (_api_verb(_DONE_BY_OWNER), "personal_version"),
    "api:version_withdraw": (
        _api((_UNKNOWN, _MISSING, _PAGE, _PAGE), _DONE_BY_BOTH),
        "version",
    ),
    "api:uploads": (_api(_FOR_MEMBERS, _ASKED), ""),
    "api:upload": (
        _api((_UNKNOWN, _MISSING, _PAGE, _MISSING), put=_ASKED_OWNER, delete=_TAKEN_FROM_OWNER),
        "upload",
    ),
    "api:upload_finish": (_api_verb(_TAKEN_FROM_OWNER), "whole_upload"),
    "api:experts": (_api(_FOR_ALL, _ASKED), ""),
    "api:expert_bring": (_api_verb(_ASKED), ""),
    "api:expert": (API_PUBLIC, "expert"),
    "api:expert_withdraw": (_api_verb(_DONE_BY_BOTH), "expert"),
    "api:expert_resubmit": (_api_verb(_ASKED_OWNER), "returned_expert"),
    "api:expert_bring_again": (_api_verb(_ASKED_OWNER), "returned_brought_expert"),
    "api:proposals": (_api(_FOR_ALL, _ASKED), ""),
    "api:proposal": (_api(_FOR_ALL, put=_ASKED_OWNER), "proposal"),
    "api:proposal_withdraw": (_api_verb(_DONE_BY_BOTH), "proposal"),
    "api:endorsement": (
        _api_put(_ASKED, delete=(_UNKNOWN, _TAKEN, _TAKEN, _TAKEN)),
        "proposal",
    ),
    "api:mute": (_api_put(_ASKED), "proposal"),
    "api:comments": (_api(_FOR_ALL, _ASKED), "proposal"),
    "api:proposal_report": (API_REPORT, "proposal"),
    "api:comment": (_api(_FOR_ALL, delete=_DONE_BY_OWNER), "comment"),
    "api:comment_report": (API_REPORT, "comment"),
    "api:rounds": (API_PUBLIC, ""),
    "api:round": (API_PUBLIC, "tallied_round"),
    "api:candidates": (API_PUBLIC, "open_round"),
    "api:questions": (API_PUBLIC, "open_round"),
    "api:ballot": (_api((_UNKNOWN, _MISSING, _MISSING, _MISSING), put=_ASKED), "open_round"),
    "api:decision": (API_PUBLIC, "tallied_round"),
    "api:slates": (API_PUBLIC, "open_round"),
    "api:own_slate": (_api_put(_ASKED), "open_round"),
    "api:slate": (_api(_FOR_ALL, delete=_DONE_BY_OWNER), "slate"),
    "api:slate_report": (API_REPORT, "slate"),
    "api:receipt": (API_PUBLIC, "receipt"),
    "api:jobs": (API_PUBLIC, ""),
    "api:job": (API_PUBLIC, "job"),
    "api:job_events": (API_PUBLIC, "job"),
    "api:job_cancel": (_api_verb(_DONE_BY_BOTH), "job"),
    "api:releases": (API_PUBLIC, ""),
    "api:release": (API_PUBLIC, "release"),
    "api:release_report": (API_PUBLIC, "release"),
}

# Who may connect, and the thing in the address. What is said over them is tested with them.
SOCKETS: dict[str, tuple[tuple[str, ...], str]] = {
    "ws/jobs/<int:pk>/": (PEOPLE, "job"),
    "ws/talk/": (PEOPLE, ""),
}


@dataclass(frozen=True)
class Address:
    """One pattern of the URLconf."""

    name: str
    path: str
    arguments: tuple[str, ...]
    view: Any

    @property
    def is_accounts(self) -> bool:
        """One of those that django-allauth brings."""
        return self.path.startswith("account/")


def addresses() -> list[Address]:
    """All of the URLconf, as it is."""
    return list(_walk(get_resolver().url_patterns, "", ""))


def _walk(patterns: list[Any], path: str, namespace: str) -> Iterator[Address]:
    for pattern in patterns:
        here = path + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            inside = f"{namespace}{pattern.namespace}:" if pattern.namespace else namespace
            yield from _walk(pattern.url_patterns, here, inside)
        else:
            assert isinstance(pattern, URLPattern)
            arguments = tuple(pattern.pattern.regex.groupindex)
            yield Address(f"{namespace}{pattern.name}", here, arguments, pattern.callback)
