"""The endpoints. Each wants a token with the scope `talk`, and answers as OpenAI's do."""

from collections.abc import Callable, Coroutine
from functools import update_wrapper
from typing import Any, Concatenate, ParamSpec

from asgiref.sync import sync_to_async
from django.conf import settings
from django.http import HttpRequest, HttpResponseBase, JsonResponse
from django.views.decorators.csrf import csrf_exempt

from mosaic_site.addresses import address_of
from mosaic_site.members.models import Scope, User
from mosaic_site.members.tokens import NotLetIn, token_let_in
from training_workers import talking
from training_workers.openai_api.answering import answer, choices_of
from training_workers.openai_api.catalogue import Catalogue, catalogue
from training_workers.openai_api.counting import count_tokens
from training_workers.openai_api.errors import ApiError
from training_workers.openai_api.request import Wanted, read_chat, read_completion
from training_workers.openai_api.shapes import Chat, Completion, Shape

P = ParamSpec("P")
Response = Coroutine[Any, Any, HttpResponseBase]
View = Callable[Concatenate[HttpRequest, User, P], Response]
Endpoint = Callable[Concatenate[HttpRequest, P], Response]


def endpoint(*methods: str) -> Callable[[View[P]], Endpoint[P]]:
    """A view for the member whose token it is; whatever cannot be done is said as OpenAI says it.

    No session counts here: a browser sends no such token by itself, so no CSRF is to be feared.
    """

    def decorate(view: View[P]) -> Endpoint[P]:
        async def guarded(
            request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs
        ) -> HttpResponseBase:
            try:
                if methods and request.method not in methods:
                    allowed = ", ".join(methods)
                    raise ApiError(
                        405, f"Only {allowed} is answered here.", headers={"Allow": allowed}
                    )
                return await view(request, await _member(request), *args, **kwargs)
            except ApiError as error:
                return error.response()

        update_wrapper(guarded, view)
        # A session does not count here, and no browser sends a token by itself.
        return csrf_exempt(guarded)

    return decorate


async def _member(request: HttpRequest) -> User:
    authorization = request.headers.get("Authorization", "")
    try:
        token = await sync_to_async(token_let_in)(
            authorization=authorization, scope=Scope.TALK, address=address_of(request)
        )
    except NotLetIn as refusal:
        code = "invalid_api_key" if refusal.status == 401 else refusal.error
        told = {"WWW-Authenticate": refusal.challenge}
        if refusal.seconds is not None:
            told = {"Retry-After": str(refusal.seconds)}
        raise ApiError(refusal.status, str(refusal), code, headers=told) from refusal
    member: User = token.member
    return member


@endpoint("GET", "HEAD")
async def models(request: HttpRequest, member: User) -> HttpResponseBase:
    here = await sync_to_async(catalogue)()
    told = [model.told(here.base) for model in here.models.values()]
    return JsonResponse({"object": "list", "data": told})


@endpoint("GET", "HEAD")
async def model(request: HttpRequest, member: User, name: str) -> HttpResponseBase:
    here = await sync_to_async(catalogue)()
    return JsonResponse(here.model(name).told(here.base))


@endpoint("POST")
async def completions(request: HttpRequest, member: User) -> HttpResponseBase:
    return await _answered(member, Completion(read_completion(request)))


@endpoint("POST")
async def chat_completions(request: HttpRequest, member: User) -> HttpResponseBase:
    return await _answered(member, Chat(read_chat(request)))


@endpoint()
async def unknown(request: HttpRequest, member: User, rest: str) -> HttpResponseBase:
    raise ApiError(404, f"There is no {request.method} {request.path} here.", "unknown_url")


async def _answered(member: User, shape: Shape) -> HttpResponseBase:
    here, counted = await sync_to_async(_look)(shape.wanted)
    model = here.model(shape.wanted.model)
    asker = talking.asker_by_account(member.pk)
    choices = choices_of(shape.wanted, model, here, counted, asker)
    try:
        await talking.count_question(
            f"api.{asker}", len(choices), settings.MOSAIC_API_QUESTIONS_A_MINUTE
        )
    except talking.TooMany as refusal:
        raise ApiError(
            429, str(refusal), "rate_limit_exceeded", retry_after=refusal.retry_after
        ) from refusal
    return await answer(shape, choices, model)


def _look(wanted: Wanted) -> tuple[Catalogue, list[int | None]]:
    here = catalogue()
    return here, count_tokens(here.base, wanted.prompts, raw=wanted.raw)
