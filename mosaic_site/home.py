"""The roof: the home page, which looks at every floor below it, and the sign of life."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render


def home(request: HttpRequest) -> HttpResponse:
    return render(request, "home.html", {})


def healthz(request: HttpRequest) -> HttpResponse:
    """For the supervisor: the web process answers."""
    return HttpResponse("ok", content_type="text/plain")
