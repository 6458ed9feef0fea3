"""What the governing floor lets people do with a priority: say whether it matters, and merge."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST

from contributions.access import priority_for_anyone
from governance import actions
from governance.forms import MergeForm
from mosaic_site.errors import Refused
from mosaic_site.members.access import member, steward_required
from mosaic_site.notices.actions import leads_within_the_site


@require_POST
@login_required
def priority_vote(request: HttpRequest, pk: int) -> HttpResponse:
    """One click, and back to the page that it came from."""
    priority = priority_for_anyone(pk)
    actions.priority_vote(
        member=member(request), priority=priority, value=request.POST.get("value", "")
    )
    back = request.POST.get("back", "")
    back = back if leads_within_the_site(back) else priority.get_absolute_url()
    return redirect(f"{back}#support-{pk}")


@steward_required
def priority_merge(request: HttpRequest, pk: int) -> HttpResponse:
    priority = priority_for_anyone(pk)
    form = MergeForm(priority, request.POST or None)
    if request.method == "POST" and form.is_valid():
        into = form.cleaned_data["into"]
        try:
            actions.priorities_merge(
                steward=member(request),
                priority=priority,
                into=into,
                reason=form.cleaned_data["reason"],
            )
        except Refused as refusal:
            form.add_error(None, str(refusal))
        else:
            messages.success(request, f"“{priority}” is merged into this priority.")
            return redirect(into)
    return render(request, "governance/priority_merge.html", {"priority": priority, "form": form})
