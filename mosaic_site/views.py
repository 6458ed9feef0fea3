"""What is answered where no view is reached, or one broke: to programs as they read it."""

from django.http import HttpRequest, HttpResponseBase
from django.views import defaults

from mosaic_site.api.problems import MISSING, is_for_programs, problem_response


def missing(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    if is_for_programs(request):
        return problem_response(404, MISSING)
    return defaults.page_not_found(request, exception)


def broken(request: HttpRequest) -> HttpResponseBase:
    if is_for_programs(request):
        return problem_response(500, "This is our mistake. It is in the log.", "Try again later.")
    return defaults.server_error(request)
