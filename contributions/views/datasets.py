from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST

from contributions import access, actions
from contributions.allowance import allowance_of
from contributions.forms import CardForm, DatasetForm, VersionForm
from contributions.models import Dataset, DatasetVersion
from contributions.views import guide
from mosaic_site.errors import Refused
from mosaic_site.ledger.reading import about
from mosaic_site.members.access import member

DATASETS_A_PAGE = 24


def dataset_list(request: HttpRequest) -> HttpResponse:
    """One's own, the public ones, and for stewards all."""
    tabs = ["public"]
    if request.user.is_authenticated:
        tabs = ["mine", "public"] + (["all"] if request.user.is_steward else [])
    asked = request.GET.get("show", "")
    show = asked if asked in tabs else tabs[0]
    datasets = access.datasets_visible_to(request.user).with_latest()
    if show == "mine":
        datasets = datasets.filter(owner=member(request))
    elif show == "public":
        datasets = datasets.filter(is_public=True)
    page = Paginator(datasets, DATASETS_A_PAGE).get_page(request.GET.get("page"))
    context = {"page": page, "show": show, "tabs": tabs}
    return render(request, "contributions/dataset_list.html", context)


@login_required
def dataset_new(request: HttpRequest) -> HttpResponse:
    form = DatasetForm(request.POST or None, request.FILES or None)
    priority = guide.carried_priority(request)
    if request.method == "POST" and form.is_valid():
        values = form.cleaned_data
        try:
            dataset = actions.dataset_upload(
                owner=member(request),
                name=values["name"],
                file=values["file"],
                filename=values["file"].name,
                once=values["once"],
            )
        except Refused as error:
            form.add_error(None, str(error))
        else:
            messages.success(request, "Your file is here. It is checked now, row by row.")
            return _to_newest(dataset, request)
    context = {
        "form": form,
        "allowance": allowance_of(member(request)),
        "priority": priority,
        "steps": guide.steps(priority, None),
    }
    return render(request, "contributions/dataset_new.html", context)


def _to_newest(dataset: Dataset, request: HttpRequest) -> HttpResponse:
    version = dataset.versions.latest("number")
    return redirect(guide.carry(version.get_absolute_url(), guide.carried_priority(request)))


def dataset_detail(request: HttpRequest, pk: int) -> HttpResponse:
    dataset = access.dataset_visible_to(request.user, pk)
    is_owner = dataset.owner_id == request.user.pk
    versions = list(
        access.versions_visible_to(request.user)
        .filter(dataset=dataset)
        .defer("report_data")
        .order_by("-number")
    )
    context = {
        "dataset": dataset,
        "is_owner": is_owner,
        "may_withdraw": any(one.status != DatasetVersion.Status.WITHDRAWN for one in versions)
        and access.may_withdraw(request.user, dataset),
        "versions": versions,
        "valid": sum(one.status == DatasetVersion.Status.VALID for one in versions),
        "missing": guide.missing_of_dataset(dataset, versions),
        "next": guide.next_step(versions[0], is_owner, guide.carried_priority(request))
        if versions
        else None,
        "lines": about(dataset),
    }
    return render(request, "contributions/dataset_detail.html", context)


@login_required
def dataset_card(request: HttpRequest, pk: int) -> HttpResponse:
    dataset = access.dataset_owned_by(member(request), pk)
    form = CardForm(request.POST or None, initial=CardForm.written(dataset))
    if request.method == "POST" and form.is_valid():
        try:
            dataset = actions.dataset_describe(dataset=dataset, **form.cleaned_data)
        except Refused as error:
            form.add_error(None, str(error))
        else:
            messages.success(request, "The card is written.")
            return _to_newest(dataset, request)
    context = {
        "form": form,
        "dataset": dataset,
        "steps": guide.steps(guide.carried_priority(request), dataset.versions.latest("number")),
    }
    return render(request, "contributions/dataset_card.html", context)


@login_required
def dataset_version_new(request: HttpRequest, pk: int) -> HttpResponse:
    dataset = access.dataset_owned_by(member(request), pk)
    form = VersionForm(request.POST or None, request.FILES or None)
    if request.method == "POST" and form.is_valid():
        values = form.cleaned_data
        try:
            dataset = actions.dataset_add_version(
                dataset=dataset,
                file=values["file"],
                filename=values["file"].name,
                once=values["once"],
            )
        except Refused as error:
            form.add_error(None, str(error))
        else:
            messages.success(request, "The new version is here. It is checked now, row by row.")
            return _to_newest(dataset, request)
    context = {"form": form, "allowance": allowance_of(member(request)), "dataset": dataset}
    return render(request, "contributions/dataset_version_new.html", context)


@require_POST
@login_required
def dataset_publish(request: HttpRequest, pk: int) -> HttpResponse:
    dataset = actions.dataset_publish(dataset=access.dataset_owned_by(member(request), pk))
    messages.success(request, "Everybody can see this dataset now and train experts on it.")
    return redirect(dataset)
