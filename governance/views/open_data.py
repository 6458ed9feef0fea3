"""What outsiders take away: the chain at any time, everything after the close, and a feed."""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from django.contrib.syndication.views import Feed
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse_lazy
from django.utils.feedgenerator import Atom1Feed

from governance import access, export
from governance.models import Round


def round_chain(request: HttpRequest, pk: int) -> HttpResponse:
    """The ballot box as JSON lines; while voting is open too, up to the last batch."""
    round_ = access.round_for_anyone(pk)
    if not round_.is_frozen:
        raise Http404("This round has no ballot box yet.")
    response = HttpResponse(
        "".join(export.chain_lines(round_)), content_type="application/jsonl; charset=utf-8"
    )
    response.headers["Content-Disposition"] = f'attachment; filename="round-{pk}-chain.jsonl"'
    return response


def round_export(request: HttpRequest, pk: int) -> HttpResponse:
    """All open data of a round that is over, as one zip."""
    round_ = access.round_for_anyone(pk)
    if not (round_.is_over and round_.is_frozen):
        raise Http404("There is nothing to take away before the close.")
    response = HttpResponse(export.archive(round_), content_type="application/zip")
    response.headers["Content-Disposition"] = f'attachment; filename="round-{pk}.zip"'
    return response


if TYPE_CHECKING:
    AnyFeed = Feed[Round, Round]
else:
    AnyFeed = Feed


class RoundFeed(AnyFeed):
    """The newest rounds with the ends of their chains: whoever keeps it keeps a witness."""

    feed_type = Atom1Feed
    title = "Rounds"
    subtitle = "What is voted on, and the last hash of each ballot box."
    link = reverse_lazy("governance:round_list")

    def items(self) -> Sequence[Round]:
        return list(access.rounds_for_anyone()[:20])

    def item_title(self, item: Round) -> str:
        return f"{item.title}: {item.get_status_display()}"

    def item_description(self, item: Round) -> str:
        if not item.is_frozen:
            return f"Voting opens on {item.opens_at:%d %b %Y, %H:%M} UTC."
        box = item.box
        return (
            f"The ballot box has {box.public_length} entries; its last hash is {box.public_hash}."
        )

    def item_guid(self, item: Round) -> str:
        end = item.box.public_hash if item.is_frozen else item.status
        return f"{item.get_absolute_url()}#{item.status}-{end}"

    item_guid_is_permalink = False

    def item_pubdate(self, item: Round) -> datetime:
        return item.discussion_at
