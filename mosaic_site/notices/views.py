from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from mosaic_site.members.access import member
from mosaic_site.notices import access, actions
from mosaic_site.notices.forms import ReadForm

NOTICES_A_PAGE = 20


@never_cache
@login_required
def inbox(request: HttpRequest) -> HttpResponse:
    """A member's notices, the unread ones first."""
    notices = access.notices_of(member(request))
    page = Paginator(notices.unread_first(), NOTICES_A_PAGE).get_page(request.GET.get("page"))
    newest = notices.unread().order_by("-pk").values_list("pk", flat=True).first()
    form = ReadForm(initial={"newest": newest}) if newest else None
    return render(request, "notices/inbox.html", {"page": page, "form": form})


@require_POST
@login_required
def read_all(request: HttpRequest) -> HttpResponse:
    form = ReadForm(request.POST)
    if form.is_valid():
        actions.notices_read(member=member(request), newest=form.cleaned_data["newest"])
    return redirect("notices:inbox")


@never_cache
@login_required
def notice_open(request: HttpRequest, pk: int) -> HttpResponse:
    """Mark it read and go to what it speaks of."""
    notice = access.notice_of(member(request), pk)
    actions.notice_read(notice=notice)
    return redirect(notice.url if actions.leads_within_the_site(notice.url) else "notices:inbox")
