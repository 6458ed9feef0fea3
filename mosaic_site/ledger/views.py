from django.apps import apps
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from mosaic_site.ledger.models import Entry, Head
from mosaic_site.ledger.reading import told

ENTRIES_A_PAGE = 50


def ledger_list(request: HttpRequest) -> HttpResponse:
    """The ledger, newest first, open to everybody; `?kind=` shows one kind of subject."""
    kinds = Entry.objects.order_by("subject_kind").values_list("subject_kind", flat=True).distinct()
    tabs = {kind: _plural(kind) for kind in kinds}
    kind = request.GET.get("kind", "")
    entries = Entry.objects.all()
    if kind in tabs:
        entries = entries.filter(subject_kind=kind)
    page = Paginator(entries, ENTRIES_A_PAGE).get_page(request.GET.get("page"))
    context = {
        "page": page,
        "lines": told(page, request.user),
        "head": Head.objects.filter(id=1).first(),
        "tabs": tabs,
        "kind": kind if kind in tabs else "",
    }
    return render(request, "ledger/list.html", context)


def _plural(kind: str) -> str:
    """ "contributions.datasetversion" as "Dataset versions"; a model that is gone, as written."""
    try:
        return str(apps.get_model(kind)._meta.verbose_name_plural).capitalize()
    except LookupError:
        return kind
