from datetime import timedelta

from allauth.account.forms import SignupForm
from allauth.account.utils import perform_login
from allauth.account.views import SignupView
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import logout
from django.contrib.auth.decorators import login_required
from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from mosaic_site.errors import Refused
from mosaic_site.members import access, actions, tokens
from mosaic_site.members.access import member, steward_required
from mosaic_site.members.forms import DeclareGroupForm, GroupForm, LeaveForm, TokenForm
from mosaic_site.members.models import User

PRESSED_TWICE = timedelta(minutes=1)


class JoinView(SignupView):
    """Joining. Whoever presses twice has joined, and is not told that the name is taken."""

    def form_valid(self, form: SignupForm) -> HttpResponse:
        try:
            with transaction.atomic():
                response: HttpResponse = super().form_valid(form)
        except IntegrityError:
            # Both presses found the name free, and the other one was faster.
            form.add_error("username", "A user with that username already exists.")
            return self.form_invalid(form)
        return response

    def form_invalid(self, form: SignupForm) -> HttpResponse:
        joined = _just_joined(form)
        if joined:
            signed_in: HttpResponse = perform_login(self.request, joined, signup=True)
            return signed_in
        refused: HttpResponse = super().form_invalid(form)
        return refused


def _just_joined(form: SignupForm) -> User | None:
    """Who joined a moment ago with this very form."""
    new = User.objects.filter(date_joined__gt=timezone.now() - PRESSED_TWICE)
    typed = {name: str(form.data.get(name, "")) for name in ("username", "email", "password1")}
    user = new.filter(username__iexact=typed["username"], email__iexact=typed["email"]).first()
    return user if user and user.check_password(typed["password1"]) else None


@login_required
def me(request: HttpRequest) -> HttpResponse:
    """What the site knows of the member who looks, and the group that they declare."""
    person = member(request)
    form = DeclareGroupForm(request.POST or None, initial={"group": person.group_id})
    if request.method == "POST" and form.is_valid():
        actions.member_declare_group(member=person, group=form.cleaned_data["group"])
        messages.success(request, "Your settings are saved.")
        return redirect("members:me")
    return render(request, "members/me.html", {"form": form})


@login_required
def leave(request: HttpRequest) -> HttpResponse:
    """Delete one's account: what goes, what stays, and the password once more."""
    form = LeaveForm(request.POST or None, request=request)
    if request.method == "POST" and form.is_valid():
        try:
            actions.member_leave(
                member=member(request),
                take_everything=form.cleaned_data["published"] == "withdraw",
            )
        except Refused as error:
            form.add_error(None, str(error))
        else:
            logout(request)
            messages.success(request, "Your account is deleted. Thank you for what you brought.")
            return redirect("home")
    context = {"form": form, "days": settings.MOSAIC_ERASE_AFTER_DAYS}
    return render(request, "members/leave.html", context)


@never_cache
@login_required
def token_list(request: HttpRequest) -> HttpResponse:
    """One's API tokens. The secret of a new one is on the page that makes it, and nowhere else."""
    person = member(request)
    form = TokenForm(request.POST or None)
    made = None
    if request.method == "POST" and form.is_valid():
        try:
            made = tokens.token_make(member=person, **form.cleaned_data)
        except Refused as error:
            form.add_error("name", str(error))
        else:
            form = TokenForm()
    context = {"form": form, "made": made, "tokens": access.tokens_of(person)}
    return render(request, "members/token_list.html", context)


@require_POST
@login_required
def token_revoke(request: HttpRequest, pk: int) -> HttpResponse:
    token = access.token_owned_by(member(request), pk)
    tokens.token_revoke(token=token)
    messages.success(request, f"“{token}” is revoked. Nobody gets in with it any more.")
    return redirect("members:token_list")


def group_list(request: HttpRequest) -> HttpResponse:
    """The groups that members may declare, open to everybody."""
    groups = access.groups_for_anyone().with_shown()
    return render(request, "members/group_list.html", {"groups": groups})


@steward_required
def group_new(request: HttpRequest) -> HttpResponse:
    form = GroupForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            group = actions.group_make(steward=member(request), **form.cleaned_data)
        except Refused as error:
            form.add_error("name", str(error))
        else:
            messages.success(
                request, "The group is made. Members can declare it in their settings."
            )
            return redirect(group)
    return render(request, "members/group_edit.html", {"form": form, "group": None})


@steward_required
def group_edit(request: HttpRequest, pk: int) -> HttpResponse:
    group = access.group_for_anyone(pk)
    now = {"name": group.name, "description": group.description}
    form = GroupForm(request.POST or None, initial=now)
    if request.method == "POST" and form.is_valid():
        try:
            actions.group_edit(steward=member(request), group=group, **form.cleaned_data)
        except Refused as error:
            form.add_error("name", str(error))
        else:
            messages.success(request, "The group is changed.")
            return redirect(group)
    return render(request, "members/group_edit.html", {"form": form, "group": group})
