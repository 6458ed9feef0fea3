"""The components, rendered as pages include them."""

from __future__ import annotations

import re

from django import forms
from django.core.paginator import Paginator
from django.template.loader import render_to_string
from django.test import RequestFactory


class UploadForm(forms.Form):
    name = forms.CharField(help_text="A few words.")
    note = forms.CharField(required=False)
    file = forms.FileField()
    kind = forms.ChoiceField(choices=[("a", "One"), ("b", "Two")], widget=forms.RadioSelect)
    agreed = forms.BooleanField(label="I may share this")


def form_page(form: forms.Form) -> str:
    return render_to_string("components/form.html", {"form": form, "submit": "Upload"})


def test_a_control_points_at_its_hint_and_its_error() -> None:
    html = form_page(UploadForm({}))
    control = re.search(r'<input[^>]*id="id_name"[^>]*>', html)
    assert control is not None
    described = re.search(r'aria-describedby="([^"]+)"', control[0])
    assert described is not None and 'aria-invalid="true"' in control[0]
    for target in described[1].split():
        assert f'id="{target}"' in html


def test_every_control_has_its_label() -> None:
    html = form_page(UploadForm())
    for control in re.findall(r'<(?:input|select|textarea)[^>]*\bid="([^"]+)"', html):
        assert f'<label for="{control}"' in html or f'for="{control}"' in html
    assert "<legend" in html and "Kind" in html


def test_optional_fields_say_so_and_required_ones_do_not() -> None:
    html = form_page(UploadForm())
    assert html.count("(optional)") == 1


def test_the_summary_links_to_each_field_with_an_error() -> None:
    html = form_page(UploadForm({"name": "x", "kind": "a", "agreed": "on"}))
    summary = html[html.index('role="alert"') : html.index("</ul>")]
    assert re.findall(r'href="#(\w+)"', summary) == ["id_file"]


def test_a_form_with_a_file_is_sent_as_multipart() -> None:
    assert 'enctype="multipart/form-data"' in form_page(UploadForm())


def test_a_state_is_a_word_with_a_tone() -> None:
    html = render_to_string("components/status.html", {"state": "submitted"})
    assert "pill--wait" in html and "Waiting for a steward" in html


def test_findings_name_row_column_and_remedy() -> None:
    finding = {
        "severity": "error",
        "row": 17,
        "column": "label",
        "problem": "<b>empty</b>",
        "expected": "a label",
        "remedy": "fill it in",
    }
    whole = finding | {"severity": "warning", "row": None, "column": None}
    html = render_to_string("components/findings.html", {"findings": [finding, whole]})
    assert "17" in html and "fill it in" in html and "whole file" in html
    assert "&lt;b&gt;empty" in html


def test_steps_mark_the_current_one() -> None:
    steps = [
        {"label": "Dataset", "state": "done", "url": "/datasets/1/"},
        {"label": "Training", "state": "current", "detail": "12 s left"},
        {"label": "Vote", "state": "todo"},
    ]
    html = render_to_string("components/steps.html", {"steps": steps})
    assert html.count('aria-current="step"') == 1
    assert html.index('aria-current="step"') < html.index("12 s left") < html.index("Vote")


def test_an_empty_place_offers_the_next_step() -> None:
    html = render_to_string(
        "components/empty.html",
        {"title": "No datasets", "text": "Yet.", "action_url": "/new", "action_label": "Upload"},
    )
    assert '<a class="button button--primary" href="/new">Upload</a>' in html


def test_evidence_sets_the_score_beside_the_base() -> None:
    html = render_to_string(
        "components/evidence.html",
        {
            "score": 0.81,
            "low": 0.77,
            "high": 0.85,
            "base_score": 0.3,
            "base_low": 0.26,
            "base_high": 0.35,
            "examples": 300,
        },
    )
    assert "(0.77–0.85)" in html and "(0.26–0.35)" in html and "300" in html


def test_pages_keep_the_rest_of_the_query() -> None:
    request = RequestFactory().get("/experts/", {"state": "eligible", "page": "2"})
    page = Paginator(range(30), 10).get_page(2)
    html = render_to_string("components/pagination.html", {"page_obj": page}, request=request)
    assert "state=eligible&amp;page=3" in html and "state=eligible&amp;page=1" in html
