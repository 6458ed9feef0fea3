"""Where a refusal leads."""

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory

from mosaic_site.errors import Refused
from mosaic_site.middleware import RefusedMiddleware


class _NoMessages:
    def add(self, level: int, message: str, extra_tags: str = "") -> None:
        assert message == "No."


@pytest.mark.parametrize(
    ("method", "came_from", "leads_to"),
    [
        ("POST", "http://testserver/desk/?page=2", "http://testserver/desk/?page=2"),
        ("POST", "http://testserver/here/", "http://testserver/here/"),
        ("POST", "http://elsewhere.example/", "/"),
        ("POST", "", "/"),
        # To be sent back to itself would never end.
        ("GET", "http://testserver/here/", "/"),
    ],
)
def test_a_refusal_leads_back_and_never_in_a_circle(
    rf: RequestFactory, method: str, came_from: str, leads_to: str
) -> None:
    request: HttpRequest = rf.generic(method, "/here/", headers={"referer": came_from})
    vars(request)["_messages"] = _NoMessages()
    answer = RefusedMiddleware(lambda _: HttpResponse()).process_exception(request, Refused("No."))
    assert answer is not None
    assert answer.headers["Location"] == leads_to
