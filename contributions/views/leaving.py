"""Withdrawing: first what depends on it, then the reason, then it is done."""

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from contributions import access, actions
from contributions.forms import WithdrawForm
from contributions.models import Dataset, DatasetVersion, Expert
from contributions.models.expert import EXPERT_LIFECYCLE
from mosaic_site.errors import Refused
from mosaic_site.members.access import member


@login_required
def dataset_withdraw(request: HttpRequest, pk: int) -> HttpResponse:
    """All of it, every version."""
    dataset = access.dataset_controlled_by(member(request), pk)
    versions = list(dataset.versions.standing())
    return _data(request, dataset, versions, dataset, dataset.get_absolute_url())


@login_required
def version_withdraw(request: HttpRequest, pk: int) -> HttpResponse:
    version = access.version_controlled_by(member(request), pk)
    versions = [version] if version.status != DatasetVersion.Status.WITHDRAWN else []
    return _data(request, version.dataset, versions, version, version.get_absolute_url())


def _data(
    request: HttpRequest,
    dataset: Dataset,
    versions: list[DatasetVersion],
    what: Dataset | DatasetVersion,
    back: str,
) -> HttpResponse:
    if not versions:
        messages.error(request, f"{what} is withdrawn already. Nothing is left to do.")
        return redirect(back)
    experts = list(access.experts_taught_by(versions))

    def act(reason: str) -> str:
        taught = actions.dataset_withdraw(
            actor=member(request),
            dataset=dataset,
            version=what if isinstance(what, DatasetVersion) else None,
            reason=reason,
        )
        return f"{what} is withdrawn{_with(len(taught))}."

    context = {
        "what": what,
        "dataset": dataset,
        "versions": versions,
        "experts": experts,
        "others": [expert for expert in experts if expert.owner_id != dataset.owner_id],
        "back": back,
    }
    return _page(request, "contributions/withdraw_dataset.html", context, act)


def _with(experts: int) -> str:
    if not experts:
        return ""
    return f", and with it {experts} {'expert' if experts == 1 else 'experts'}"


@login_required
def expert_withdraw(request: HttpRequest, pk: int) -> HttpResponse:
    expert = access.expert_controlled_by(member(request), pk)
    back = expert.get_absolute_url()
    try:
        EXPERT_LIFECYCLE.require(expert.status, Expert.Status.WITHDRAWN)
    except Refused as error:
        messages.error(request, str(error))
        return redirect(back)

    def act(reason: str) -> str:
        actions.expert_withdraw(actor=member(request), expert=expert, reason=reason)
        return f"{expert} is withdrawn. No later release contains it."

    context = {"expert": expert, "experts": [expert], "back": back}
    return _page(request, "contributions/withdraw_expert.html", context, act)


def _page(
    request: HttpRequest, template: str, context: dict[str, Any], act: Callable[[str], str]
) -> HttpResponse:
    """The page with its form. `act` does it for a reason and returns what is then said."""
    form = WithdrawForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            messages.success(request, act(form.cleaned_data["reason"]))
        except Refused as error:
            form.add_error(None, str(error))
        else:
            return redirect(context["back"])
    context |= {"form": form, "days": settings.MOSAIC_ERASE_AFTER_DAYS}
    return render(request, template, context)
