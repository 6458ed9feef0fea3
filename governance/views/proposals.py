"""Proposals: the list, making and changing one, endorsing it, and the discussion below it."""

import difflib
import re
from dataclasses import dataclass

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST

from contributions.forms import ReasonForm
from governance import access, actions
from governance.actions.proposals import threshold_words
from governance.forms import CommentForm, ProposalEditForm, ProposalForm
from governance.models import Proposal
from mosaic_site.errors import Refused
from mosaic_site.ledger.reading import about
from mosaic_site.members.access import member
from mosaic_site.members.models import User

PROPOSALS_A_PAGE = 20
COMMENTS_A_PAGE = 20

_OPEN, _ADMIT = Q(status=Proposal.Status.OPEN), Q(kind=Proposal.Kind.ADMIT)
# Experts have a tab of their own: they need no endorsement, and are many.
TABS = {
    "open": ("Open", _OPEN & ~_ADMIT),
    "experts": ("Experts", _OPEN & _ADMIT),
    "on_ballot": ("On a ballot", Q(status=Proposal.Status.ON_BALLOT)),
    "decided": ("Decided", Q(status=Proposal.Status.DECIDED)),
    "withdrawn": ("Withdrawn", Q(status=Proposal.Status.WITHDRAWN)),
}


def proposal_list(request: HttpRequest) -> HttpResponse:
    """`?show=` one of the tabs; or all that is, and was, proposed about one `?expert=`."""
    show, expert = request.GET.get("show", ""), request.GET.get("expert", "")
    show = show if show in TABS else "open"
    proposals = access.proposals_for_anyone()
    if expert.isdecimal():
        show, proposals = "expert", proposals.filter(expert=int(expert))
    else:
        proposals = proposals.filter(TABS[show][1])
    context = {
        "page_obj": Paginator(proposals, PROPOSALS_A_PAGE).get_page(request.GET.get("page")),
        "tabs": [(key, name) for key, (name, _) in TABS.items()],
        "show": show,
        "needed": settings.MOSAIC_ENDORSEMENTS,
    }
    return render(request, "governance/proposal_list.html", context)


@login_required
def proposal_new(request: HttpRequest) -> HttpResponse:
    """`?expert=` begins with a proposal to retire it."""
    expert = request.GET.get("expert", "")
    begun = {"kind": Proposal.Kind.RETIRE, "expert": expert} if expert.isdecimal() else None
    form = ProposalForm(request.POST or None, initial=begun)
    if request.method == "POST" and form.is_valid():
        values = form.cleaned_data
        try:
            proposal = actions.proposal_make(
                author=member(request),
                kind=values["kind"],
                expert=values["expert"],
                title=values["title"],
                text=values["text"],
                threshold=values["threshold"],
                once=values["once"],
            )
        except Refused as refusal:
            form.add_error(None, str(refusal))
        else:
            messages.success(request, "Your proposal is published. Now it can be endorsed.")
            return redirect(proposal)
    context = {"form": form, "needed": settings.MOSAIC_ENDORSEMENTS}
    return render(request, "governance/proposal_new.html", context)


def proposal_detail(request: HttpRequest, pk: int) -> HttpResponse:
    return _show(request, access.proposal_for_anyone(pk))


def _show(
    request: HttpRequest, proposal: Proposal, comment_form: CommentForm | None = None
) -> HttpResponse:
    viewer = request.user if isinstance(request.user, User) else None
    comments = Paginator(access.comments_for_anyone(proposal), COMMENTS_A_PAGE)
    is_open = proposal.status == Proposal.Status.OPEN
    own = viewer is not None and viewer.pk == proposal.author_id
    asks = proposal.kind != Proposal.Kind.ADMIT
    steward = viewer is not None and viewer.is_steward
    context = {
        "proposal": proposal,
        "version": proposal.latest,
        "asks": asks,
        "threshold": threshold_words(proposal.threshold),
        "needed": settings.MOSAIC_ENDORSEMENTS,
        "may_endorse": is_open and asks and proposal.removed_at is None,
        "endorsed": viewer is not None and asks and access.is_endorsed_by(viewer, proposal),
        "may_edit": is_open and own,
        "may_withdraw": is_open and asks and (own or steward),
        "appearances": access.appearances_of(proposal),
        "page_obj": comments.get_page(request.GET.get("page")),
        "follows": viewer is not None and access.follows(viewer, proposal),
        "comment_form": comment_form or CommentForm(auto_id="comment_%s"),
        "lines": about(proposal),
    }
    return render(request, "governance/proposal_detail.html", context)


@login_required
def proposal_edit(request: HttpRequest, pk: int) -> HttpResponse:
    proposal = access.proposal_owned_by(member(request), pk)
    now = {"title": proposal.latest.title, "text": proposal.latest.text}
    form = ProposalEditForm(request.POST if request.method == "POST" else None, initial=now)
    if request.method == "POST" and form.is_valid():
        try:
            actions.proposal_edit(
                author=member(request),
                proposal=proposal,
                title=form.cleaned_data["title"],
                text=form.cleaned_data["text"],
            )
        except Refused as refusal:
            form.add_error(None, str(refusal))
        else:
            messages.success(request, "Your proposal says this from now on.")
            return redirect(proposal)
    context = {"proposal": proposal, "form": form}
    return render(request, "governance/proposal_edit.html", context)


@require_POST
@login_required
def proposal_withdraw(request: HttpRequest, pk: int) -> HttpResponse:
    proposal = actions.proposal_withdraw(
        actor=member(request),
        proposal=access.proposal_controlled_by(member(request), pk),
        reason=ReasonForm(request.POST).typed(),
    )
    messages.success(request, "The proposal is withdrawn. It stays here to be read.")
    return redirect(proposal)


@require_POST
@login_required
def endorse(request: HttpRequest, pk: int) -> HttpResponse:
    proposal, version = access.proposal_for_anyone(pk), request.POST.get("version", "")
    actions.endorse(
        member=member(request),
        proposal=proposal,
        version=int(version) if version.isdecimal() else 0,
    )
    messages.success(request, "You endorse this proposal.")
    return redirect(proposal)


@require_POST
@login_required
def endorsement_withdraw(request: HttpRequest, pk: int) -> HttpResponse:
    proposal = access.proposal_for_anyone(pk)
    actions.endorsement_withdraw(member=member(request), proposal=proposal)
    messages.success(request, "You no longer endorse this proposal.")
    return redirect(proposal)


@require_POST
@login_required
def comment_add(request: HttpRequest, pk: int) -> HttpResponse:
    """What was typed stays in the form where it cannot be added."""
    proposal = access.proposal_for_anyone(pk)
    form = CommentForm(request.POST, auto_id="comment_%s")
    if form.is_valid():
        try:
            comment = actions.comment_add(
                author=member(request),
                proposal=proposal,
                text=form.cleaned_data["text"],
                once=form.cleaned_data["once"],
            )
        except Refused as refusal:
            form.add_error(None, str(refusal))
        else:
            last = Paginator(access.comments_for_anyone(proposal), COMMENTS_A_PAGE).num_pages
            return redirect(f"{proposal.get_absolute_url()}?page={last}#comment-{comment.pk}")
    return _show(request, proposal, form)


@require_POST
@login_required
def thread_mute(request: HttpRequest, pk: int) -> HttpResponse:
    proposal, muted = access.proposal_for_anyone(pk), request.POST.get("muted") == "yes"
    actions.thread_mute(member=member(request), proposal=proposal, muted=muted)
    will = "are no longer" if muted else "are again"
    messages.success(request, f"You {will} told when this discussion goes on.")
    return redirect(f"{proposal.get_absolute_url()}#discussion")


@dataclass(frozen=True)
class Part:
    """A stretch of text that two versions share, or that the later one dropped or added."""

    kind: str  # "same", "dropped" or "added"
    text: str


def compared(before: str, after: str) -> list[Part]:
    """The changes, word by word."""
    old, new = (re.findall(r"\s+|\S+", text) for text in (before, after))
    parts = []
    for step, i, j, k, m in difflib.SequenceMatcher(None, old, new).get_opcodes():
        if step == "equal":
            parts.append(Part("same", "".join(old[i:j])))
            continue
        parts += [Part("dropped", "".join(old[i:j]))] if i < j else []
        parts += [Part("added", "".join(new[k:m]))] if k < m else []
    return parts


def proposal_changes(request: HttpRequest, pk: int) -> HttpResponse:
    """What changed from version `?from=` to version `?to=`: as asked, else the last change."""
    proposal = access.proposal_for_anyone(pk)
    if proposal.removed_at is not None:
        return redirect(proposal)
    versions = {version.number: version for version in proposal.versions.all()}
    latest = proposal.latest.number

    def asked(name: str, otherwise: int) -> int:
        typed = request.GET.get(name, "")
        return int(typed) if typed.isdecimal() and int(typed) in versions else otherwise

    to = asked("to", latest)
    from_ = asked("from", max(1, to - 1))
    context = {
        "proposal": proposal,
        "versions": proposal.versions.all(),
        "before": versions[from_],
        "after": versions[to],
        "title_parts": compared(versions[from_].title, versions[to].title),
        "text_parts": compared(versions[from_].text, versions[to].text),
    }
    return render(request, "governance/proposal_changes.html", context)
