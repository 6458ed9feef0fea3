"""`manage.py register_base`: the operator's way to a base, on the record."""

import io
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from contributions.models import Base
from mosaic_site.ledger.models import Entry
from tests.factories import make_base

pytestmark = pytest.mark.django_db


def actions() -> list[str]:
    return list(Entry.objects.order_by("sequence").values_list("action", flat=True))


def test_pocket_is_registered_and_active_and_a_second_time_changes_nothing() -> None:
    out = io.StringIO()
    call_command("register_base", stdout=out)
    call_command("register_base", stdout=out)
    assert "pocket: 1,115,264 parameters" in out.getvalue()
    assert "licence apache-2.0" in out.getvalue()
    assert Base.objects.get().active
    assert actions() == ["base.registered", "base.activated"]


def test_going_back_to_a_base_is_on_the_record_too() -> None:
    call_command("register_base", stdout=io.StringIO())
    other = make_base()
    assert Base.objects.get(active=True) == other
    call_command("register_base", stdout=io.StringIO())
    assert Base.objects.get(active=True).name == "pocket"
    assert actions() == ["base.registered", "base.activated"] * 2 + ["base.activated"]


def test_a_folder_without_a_model_is_refused_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="has no safetensors weights"):
        call_command("register_base", str(tmp_path))
    assert not Base.objects.exists()
