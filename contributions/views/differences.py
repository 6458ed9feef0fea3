"""The page that says what changed from one version of a dataset to another."""

from functools import partial

from django.core.cache import cache
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render

from contributions import access
from contributions.differences import Differences, Opened, differences
from contributions.forms.differences import DifferencesForm
from contributions.models import DatasetVersion

# Of both files together: what is compared while somebody waits, which takes some seconds.
MOST_BYTES = 2**28
REMEMBERED_SECONDS = 3600


def dataset_diff(request: HttpRequest, pk: int) -> HttpResponse:
    """What changed between two versions without errors: `?old=` and `?new=`, by number."""
    dataset = access.dataset_visible_to(request.user, pk)
    versions = access.valid_versions_of(dataset, request.user)
    newest = list(versions[:2])
    if len(newest) < 2:
        nothing = {"dataset": dataset, "form": None}
        return render(request, "contributions/dataset_diff.html", nothing)
    new, old = newest
    form = DifferencesForm(
        {"old": request.GET.get("old", old.number), "new": request.GET.get("new", new.number)},
        versions=versions,
    )
    context: dict[str, object] = {"dataset": dataset, "form": form}
    if form.is_valid():
        old, new = form.cleaned_data["old"], form.cleaned_data["new"]
        context |= {"old": old, "new": new, "found": _compare(old, new)}
    return render(request, "contributions/dataset_diff.html", context)


def _compare(old: DatasetVersion, new: DatasetVersion) -> Differences | None:
    """None where the two are too large to be compared while somebody waits.

    Versions never change, so that what was found can be remembered.
    """
    key = f"differences-{old.once.hex}-{new.once.hex}"
    found: Differences | None = cache.get(key)
    if found is not None:
        return found
    try:
        if old.rows_file.size + new.rows_file.size > MOST_BYTES:
            return None
        found = differences(_opened(old), _opened(new))
    except FileNotFoundError as error:
        raise Http404("The rows of one of them were erased.") from error
    cache.set(key, found, REMEMBERED_SECONDS)
    return found


def _opened(version: DatasetVersion) -> Opened:
    return partial(version.rows_file.storage.open, str(version.rows_file.name))
