"""The outermost thing that a request passes: it gets its id, its line in the log, and is timed."""

import logging
import time
from collections.abc import Callable

from django.http import HttpRequest, HttpResponseBase
from django.utils.decorators import sync_only_middleware

from mosaic_site.monitoring import logs
from mosaic_site.monitoring.measures import REQUESTS, SENDER

logger = logging.getLogger("mosaic.requests")
# Asked for every few seconds by programs: timed, and not told.
QUIET = {"healthz", "readyz", "metrics"}


@sync_only_middleware
def observe(get_response: Callable[[HttpRequest], HttpResponseBase]) -> object:
    def middleware(request: HttpRequest) -> HttpResponseBase:
        id_ = logs.id_of(request)
        logs.begin(**{logs.REQUEST_ID: id_})
        token = logs.current.set(request)
        began = time.perf_counter()
        try:
            response = get_response(request)
            _note(request, response, time.perf_counter() - began)
        finally:
            logs.current.reset(token)
            logs.end()
        response.headers[logs.HEADER] = id_
        return response

    return middleware


def _note(request: HttpRequest, response: HttpResponseBase, seconds: float) -> None:
    address, status = logs.address_of(request), response.status_code
    # A file of the site's own look has no address and is not told.
    if address is None or (not address and status < 400):
        return
    SENDER.start()
    method = request.method if request.method in {"GET", "HEAD", "POST", "PUT"} else "other"
    REQUESTS.observe(seconds, address, method, f"{status // 100}xx")
    if address in QUIET:
        return
    match = request.resolver_match
    keys = {k: v for k, v in match.kwargs.items() if isinstance(v, int)} if match else {}
    told = {
        "address": address,
        "method": method,
        "status": status,
        "milliseconds": round(1000 * seconds, 1),
    }
    logger.info("answered", extra=told | ({"keys": keys} if keys else {}))
