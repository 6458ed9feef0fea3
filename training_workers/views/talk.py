"""Talking to the live release."""

from asgiref.sync import async_to_sync
from django.db.models import OuterRef, Subquery
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from contributions.models import Expert, Probe
from mosaic_site.errors import Refused
from training_workers import access, talking
from training_workers.models import Release
from training_workers.serving.client import NotServed, ask_and_wait
from training_workers.serving.wire import Asked

MOST_EXAMPLES = 4


def _examples(release: Release) -> list[str]:
    """Questions that this release has learnt to answer: an open probe for each of some experts."""
    probes = Probe.objects.filter(priority=OuterRef("priority"), part=Probe.Part.FIT).order_by("id")
    experts = Expert.objects.filter(memberships__release=release).order_by("memberships__id")
    prompts = experts.values_list(Subquery(probes.values("prompt")[:1]), flat=True)
    return [prompt for prompt in prompts[:MOST_EXAMPLES] if prompt]


def _asker(request: HttpRequest) -> str:
    if request.user.is_authenticated:
        return talking.asker_by_account(request.user.pk)
    return talking.asker_by_address(request.META.get("REMOTE_ADDR", ""))


def _answer(question: str, asker: str) -> talking.Answer:
    answer = talking.Answer(question=question)
    try:
        for event in ask_and_wait(Asked(question, asker=asker)):
            answer.take(event)
    except NotServed as reason:
        answer.fail(str(reason))
    if not answer.is_over:
        answer.fail("The answer broke off. Ask again.")
    return answer


def talk(request: HttpRequest) -> HttpResponse:
    """The page; a POST, which browsers without JavaScript send, waits for the whole answer."""
    typed, refusal, answer = request.GET.get("ask", ""), "", None
    if request.method == "POST":
        typed = request.POST.get("prompt", "")
        try:
            question = talking.read_question(typed)
            asker = _asker(request)
            async_to_sync(talking.count_question)(asker)
        except Refused as reason:
            refusal = str(reason)
        else:
            answer, typed = _answer(question, asker), ""
    release: Release | None = access.releases_for_anyone().live().first()
    context = {
        "release": release,
        # All are prefetched; whoever withdrew answers no more.
        "members": [
            member
            for member in (release.members.all() if release else [])
            if member.expert.status == Expert.Status.ELIGIBLE
        ],
        "examples": _examples(release) if release and not answer else [],
        "answer": answer,
        "typed": typed,
        "refusal": refusal,
        "longest": talking.LONGEST_QUESTION,
    }
    return render(request, "training_workers/talk.html", context)
