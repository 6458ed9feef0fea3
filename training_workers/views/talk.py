"""Talking to the live release."""

from asgiref.sync import async_to_sync
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from mosaic_site.errors import Refused
from training_workers import access, talking
from training_workers.models import Release
from training_workers.serving.client import NotServed, ask_and_wait


def _asker(request: HttpRequest) -> str:
    if request.user.is_authenticated:
        return talking.asker_by_account(request.user.pk)
    return talking.asker_by_address(request.META.get("REMOTE_ADDR", ""))


def _answer(question: str) -> talking.Answer:
    answer = talking.Answer(question=question)
    try:
        for event in ask_and_wait(question):
            answer.take(event)
    except NotServed as reason:
        answer.fail(str(reason))
    if not answer.is_over:
        answer.fail("The answer broke off. Ask again.")
    return answer


def talk(request: HttpRequest) -> HttpResponse:
    """The page; a POST, which browsers without JavaScript send, waits for the whole answer."""
    typed, refusal, answer = "", "", None
    if request.method == "POST":
        typed = request.POST.get("prompt", "")
        try:
            question = talking.read_question(typed)
            async_to_sync(talking.count_question)(_asker(request))
        except Refused as reason:
            refusal = str(reason)
        else:
            answer, typed = _answer(question), ""
    release: Release | None = access.releases_for_anyone().live().first()
    context = {
        "release": release,
        "members": release.members.all() if release else [],
        "answer": answer,
        "typed": typed,
        "refusal": refusal,
        "longest": talking.LONGEST_QUESTION,
    }
    return render(request, "training_workers/talk.html", context)
