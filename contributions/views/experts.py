from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

from contributions import access, actions
from contributions.coverage import answers_never_seen
from contributions.forms import ExpertForm, ReasonForm, ResubmitForm
from contributions.models import DatasetVersion, Expert
from contributions.models.expert import EXPERT_LIFECYCLE
from contributions.recipes import choices_of, in_words
from contributions.views import guide
from contributions.views.life import life_of
from mosaic_site.errors import Refused
from mosaic_site.ledger.reading import about
from mosaic_site.members.access import member, steward_required
from mosaic_site.members.models import User

EXPERTS_A_PAGE = 24
# The tabs of the list, and the states that each holds.
TABS = {
    "all": sorted(EXPERT_LIFECYCLE.states),
    "submitted": ["submitted"],
    "training": ["approved", "training"],
    "eligible": ["eligible"],
    "stopped": ["returned", "failed", "cancelled"],
    "withdrawn": ["withdrawn"],
}
TAB_LABELS = {
    "all": "All",
    "submitted": "Waiting for a steward",
    "training": "In training",
    "eligible": "On the next ballot",
    "stopped": "Returned, failed or cancelled",
    "withdrawn": "Withdrawn",
}


def expert_list(request: HttpRequest) -> HttpResponse:
    asked = request.GET.get("status", "")
    show = asked if asked in TABS else "all"
    number = dict(Expert.objects.order_by().values_list("status").annotate(n=Count("pk")))
    tabs = [
        {"name": name, "label": label, "count": sum(number.get(state, 0) for state in TABS[name])}
        for name, label in TAB_LABELS.items()
    ]
    experts = access.experts_for_anyone().filter(status__in=TABS[show])
    page = Paginator(experts, EXPERTS_A_PAGE).get_page(request.GET.get("page"))
    context = {"page": page, "show": show, "tabs": tabs}
    return render(request, "contributions/expert_list.html", context)


@login_required
def expert_new(request: HttpRequest) -> HttpResponse:
    owner = member(request)
    missing = guide.missing_for_expert(owner)
    if missing:
        return render(request, "contributions/expert_new_blocked.html", {"missing": missing})
    version, priority = _asked_version(request), guide.carried_priority(request)
    initial = {"priority": priority, "versions": [version] if version else []}
    form = ExpertForm(request.POST or None, owner=owner, initial=initial)
    if request.method == "POST" and form.is_valid():
        values = form.cleaned_data
        try:
            expert = actions.expert_submit(
                owner=owner,
                name=values["name"],
                purpose=values["purpose"],
                priority=values["priority"],
                versions=values["versions"],
                recipe=form.recipe(),
                once=values["once"],
            )
        except Refused as error:
            form.add_error(None, str(error))
        else:
            messages.success(request, "Your expert is submitted. A steward looks at it now.")
            return redirect(expert)
    lacking = version if version and not form.offers(version) else None
    context = {
        "form": form,
        "steps": guide.steps(priority, version) if version else None,
        "lacking": lacking,
        "next": guide.next_step(lacking, lacking.dataset.owner == owner, priority)
        if lacking
        else None,
    }
    return render(request, "contributions/expert_new.html", context)


def _asked_version(request: HttpRequest) -> DatasetVersion | None:
    """The dataset version that somebody came from, as `?dataset=`."""
    asked = request.GET.get("dataset", "")
    if not asked.isdecimal():
        return None
    return access.versions_visible_to(member(request)).filter(pk=asked).first()


def expert_detail(request: HttpRequest, pk: int) -> HttpResponse:
    expert = access.expert_for_anyone(pk)
    versions = list(expert.versions.select_related("dataset", "dataset__owner"))
    visible = access.versions_visible_to(request.user).filter(experts=expert)
    context = {
        "expert": expert,
        "life": life_of(expert),
        "versions": versions,
        "visible": set(visible.values_list("pk", flat=True)),
        "recipe": in_words(expert.recipe),
        # Of a brought one nobody here has seen the data.
        "never_seen": [] if expert.is_brought else answers_never_seen(expert.priority, versions),
        "findings": expert.findings,
        "lines": about(expert),
        **_verbs(request, expert),
    }
    return render(request, "contributions/expert_detail.html", context)


def _verbs(request: HttpRequest, expert: Expert) -> dict[str, bool]:
    """What the person who looks may do with this expert now."""
    user = request.user
    steward = isinstance(user, User) and user.is_steward
    owner = expert.owner_id == user.pk

    def may(target: str) -> bool:
        return EXPERT_LIFECYCLE.allows(expert.status, target)

    return {
        "may_approve": steward and may("approved"),
        "may_return": steward and may("returned"),
        "may_resubmit": owner and may("submitted"),
        "may_withdraw": (owner or steward) and may("withdrawn"),
    }


@login_required
def expert_resubmit(request: HttpRequest, pk: int) -> HttpResponse:
    owner = member(request)
    expert = access.expert_owned_by(owner, pk)
    if expert.is_brought:
        return redirect("contributions:expert_bring_again", pk)
    try:
        EXPERT_LIFECYCLE.require(expert.status, Expert.Status.SUBMITTED)
    except Refused as error:
        messages.error(request, str(error))
        return redirect(expert)
    initial = {"purpose": expert.purpose, "versions": expert.versions.all()}
    form = ResubmitForm(
        request.POST or None, owner=owner, initial=initial | choices_of(expert.recipe)
    )
    if request.method == "POST" and form.is_valid():
        values = form.cleaned_data
        try:
            expert = actions.expert_resubmit(
                expert=expert,
                purpose=values["purpose"],
                versions=values["versions"],
                recipe=form.recipe(),
            )
        except Refused as error:
            form.add_error(None, str(error))
        else:
            messages.success(request, "Your expert is submitted again.")
            return redirect(expert)
    return render(request, "contributions/expert_resubmit.html", {"form": form, "expert": expert})


@require_POST
@steward_required
def expert_approve(request: HttpRequest, pk: int) -> HttpResponse:
    expert = actions.expert_approve(
        steward=member(request),
        expert=access.expert_for_anyone(pk),
        reason=ReasonForm(request.POST).typed(),
    )
    verb = "examines" if expert.is_brought else "trains"
    messages.success(request, f"{expert} is approved. The next free worker {verb} it.")
    return redirect(_came_from(request) or expert)


@require_POST
@steward_required
def expert_return(request: HttpRequest, pk: int) -> HttpResponse:
    expert = actions.expert_return(
        steward=member(request),
        expert=access.expert_for_anyone(pk),
        reason=ReasonForm(request.POST).typed(),
    )
    messages.success(request, f"{expert} is returned to {expert.owner.display_name}.")
    return redirect(_came_from(request) or expert)


def _came_from(request: HttpRequest) -> str | None:
    """The page of this site that a form names as `next`, so that who works down a list stays."""
    page: str = request.POST.get("next", "")
    return page if url_has_allowed_host_and_scheme(page, allowed_hosts=None) else None
