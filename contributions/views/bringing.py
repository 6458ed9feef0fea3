"""Bringing an adapter that was trained elsewhere."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from contributions import access, actions
from contributions.allowance import allowance_of
from contributions.forms import BringAgainForm, BringForm
from contributions.models import Base, Expert
from contributions.models.expert import EXPERT_LIFECYCLE
from contributions.views import guide
from mosaic_site.errors import Refused
from mosaic_site.members.access import member


@login_required
def expert_bring(request: HttpRequest) -> HttpResponse:
    missing = guide.missing_for_any_expert()
    if missing:
        return render(request, "contributions/expert_new_blocked.html", {"missing": missing})
    owner = member(request)
    initial = {
        "priority": guide.carried_priority(request),
        "upload": request.GET.get("upload", ""),
    }
    form = BringForm(request.POST or None, request.FILES or None, owner=owner, initial=initial)
    if request.method == "POST" and form.is_valid():
        try:
            expert = actions.expert_bring(owner=owner, **form.values())
        except Refused as error:
            form.add_error(None, str(error))
        else:
            messages.success(request, "Your adapter is here. A steward looks at it now.")
            return redirect(expert)
    return render(request, "contributions/expert_bring.html", {"form": form, **_taken()})


@login_required
def expert_bring_again(request: HttpRequest, pk: int) -> HttpResponse:
    expert = access.brought_expert_owned_by(member(request), pk)
    try:
        EXPERT_LIFECYCLE.require(expert.status, Expert.Status.SUBMITTED)
    except Refused as error:
        messages.error(request, str(error))
        return redirect(expert)
    written = {name: getattr(expert, name) for name in ("purpose", "origin", "licence")}
    form = BringAgainForm(
        request.POST or None, request.FILES or None, owner=member(request), initial=written
    )
    if request.method == "POST" and form.is_valid():
        try:
            expert = actions.expert_bring_again(expert=expert, **form.values())
        except Refused as error:
            form.add_error(None, str(error))
        else:
            messages.success(request, "Your expert is submitted again.")
            return redirect(expert)
    context = {"form": form, "expert": expert, **_taken()}
    return render(request, "contributions/expert_bring_again.html", context)


def _taken() -> dict[str, object]:
    """What is taken, said before a file is chosen."""
    return {"base": Base.objects.filter(active=True).first(), "limits": actions.adapter_limits()}


@login_required
def adapter_upload(request: HttpRequest) -> HttpResponse:
    """Where a large adapter comes in parts. Once it is whole it leads to the form."""
    context = {"allowance": allowance_of(member(request)), **_taken()}
    return render(request, "contributions/adapter_upload.html", context)
