from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from mosaic_site.ledger.models import Entry, Head
from mosaic_site.ledger.registry import SENTENCES


def ledger_list(request: HttpRequest) -> HttpResponse:
    """The ledger, newest first, open to everybody."""
    page = Paginator(Entry.objects.all(), 50).get_page(request.GET.get("page"))
    lines = [
        {"entry": entry, "sentence": SENTENCES.get(entry.action, entry.action)} for entry in page
    ]
    head = Head.objects.filter(id=1).first()
    return render(request, "ledger/list.html", {"page": page, "lines": lines, "head": head})
