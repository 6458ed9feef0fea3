from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render

from mosaic_site.help.reading import contents, neighbours, read, search


def index(request: HttpRequest) -> HttpResponse:
    """What there is to read, by reader; `?q=` finds the parts in which words stand."""
    question = request.GET.get("q", "").strip()[:200]
    context = {"sections": contents(), "question": question, "found": search(question)}
    return render(request, "help/index.html", context)


def page(request: HttpRequest, slug: str) -> HttpResponse:
    try:
        wanted = read(slug)
    except KeyError as error:
        raise Http404 from error
    before, after = neighbours(slug)
    context = {"page": wanted, "sections": contents(), "before": before, "after": after}
    return render(request, "help/page.html", context)
