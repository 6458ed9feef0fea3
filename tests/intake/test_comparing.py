"""Rows that are alike, rows that probes ask, and personal data in rows."""

import json
import random
import string
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contributions.intake import Probes, Report, check, mask
from contributions.intake.personal import masked
from contributions.intake.words import Words, digests, sketches

DRAWS = random.Random(8)
VOCABULARY = ["".join(DRAWS.choices(string.ascii_lowercase, k=DRAWS.randint(2, 9)))
              for _ in range(3_000)]  # fmt: skip


def sentence(words: int, seed: int) -> str:
    return " ".join(random.Random(seed).choices(VOCABULARY, k=words))


def bring(tmp_path: Path, rows: Sequence[tuple[str, str]], name: str = "brought") -> Path:
    path = tmp_path / name
    lines = (json.dumps({"prompt": prompt, "completion": answer}) for prompt, answer in rows)
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def changed(text: str, share: float, seed: int) -> str:
    """The text with the first words replaced, up to a share."""
    words = text.split()
    count = round(share * len(words))
    return " ".join([sentence(count, seed), *words[count:]]) if count else text


class TestNearDuplicates:
    def test_they_are_counted_and_kept(self, tmp_path: Path) -> None:
        text = sentence(60, 1)
        rows = [(text, "yes"), (sentence(60, 2), "yes"), (text.upper() + "!", "yes"),
                (changed(text, 0.05, 3), "yes")]  # fmt: skip
        report = check(bring(tmp_path, rows), rows_out=None)
        assert (report.rows, report.counts["near_duplicates"], report.counts["duplicates"]) == (
            4,
            2,
            0,
        )
        near = [f for f in report.findings if "nearly" in f.problem]
        assert [(f.row, f.line, "row 1" in f.problem) for f in near] == [(3, 3, True), (4, 4, True)]

    def test_how_much_is_found(self, tmp_path: Path) -> None:
        """Of 400 rows each: nine in ten with a twentieth of the words changed, and next to none
        with half of them. (Seeds 0 to 799.)"""
        originals = [(sentence(80, seed), "a") for seed in range(400)]
        for share, least, most in ((0.05, 360, 400), (0.5, 0, 4)):
            copies = [
                (changed(text, share, 400 + at), "a") for at, (text, _) in enumerate(originals)
            ]
            report = check(bring(tmp_path, [*originals, *copies]), rows_out=None)
            assert least <= report.counts["near_duplicates"] <= most

    def test_scripts_without_spaces_have_words_too(self, tmp_path: Path) -> None:
        text = "".join(random.Random(4).choices([chr(0x4E00 + n) for n in range(500)], k=80))
        rows = [(text, "a"), (text[:-2] + "的是", "a"), (text[::-1], "a")]
        assert check(bring(tmp_path, rows), rows_out=None).counts["near_duplicates"] == 1

    def test_rows_without_words_are_alike_only_if_they_are_the_same(self, tmp_path: Path) -> None:
        rows = [("?!", "."), ("!?", "."), ("...", "!")]
        assert check(bring(tmp_path, rows), rows_out=None).counts["near_duplicates"] == 0

    @settings(deadline=None)
    @given(st.lists(st.text(min_size=1), min_size=1, max_size=20))
    def test_a_sketch_depends_on_its_row_alone(self, texts: list[str]) -> None:
        texts = [text.encode("utf-8", "replace").decode() for text in texts]

        def sketch(some: list[str]) -> list[bytes]:
            array = pa.array(some, pa.string())
            words = Words(array)
            of_rows = digests(array, np.zeros(len(some), np.uint64))
            return [row.tobytes() for row in sketches(words, words, of_rows)]

        assert sketch(texts) == [sketch([text])[0] for text in texts]


def test_other_datasets_are_compared_by_their_index(tmp_path: Path) -> None:
    mine = [(sentence(40, seed), "a") for seed in range(200)]
    theirs = [*mine[:50], *((changed(text, 0.06, 900 + at), "a")
                            for at, (text, _) in enumerate(mine[50:80]))]  # fmt: skip
    more = [(sentence(40, seed), "a") for seed in range(2_000, 2_300)]
    for name, rows in (("theirs", [*theirs, *more]), ("unrelated", more)):
        assert check(bring(tmp_path, rows), rows_out=None, index_out=tmp_path / name).ok
    others = {name: tmp_path / name for name in ("theirs", "unrelated")}
    report = check(bring(tmp_path, mine), rows_out=None, others=others)
    assert report.others["unrelated"] == {"exact": 0, "near": 0}
    assert report.others["theirs"]["exact"] == 50
    assert 27 <= report.others["theirs"]["near"] <= 30
    assert (tmp_path / "theirs").stat().st_size < 41 * 380 + 200


def test_no_index_is_written_of_a_file_with_errors(tmp_path: Path) -> None:
    check(bring(tmp_path, [("", "a")]), rows_out=None, index_out=tmp_path / "index")
    assert not (tmp_path / "index").exists()


class TestProbes:
    LONG = sentence(30, 7)

    @pytest.mark.parametrize(
        ("asked", "is_probe"),
        [
            ("What is  this?", True),
            ("WHAT is this?", True),
            ("what is this", False),
            ("and what is this?", False),
            (LONG, True),
            ("before it " + LONG.upper().replace(" ", ", "), True),
            (" ".join(LONG.split()[:13]), True),
            (" ".join(LONG.split()[:12]), False),
            ("ÉTÉ à Köln", True),
            ("3 - 5", False),
        ],
    )
    def test_what_asks_the_same(self, tmp_path: Path, asked: str, is_probe: bool) -> None:
        probes = [("what is this?", "x"), (self.LONG, "y"), ("été à KÖLN", "z"), ("3 + 5", "8")]
        assert Probes(probes).ask(asked) == is_probe
        path = bring(tmp_path, [(asked, "a"), ("something else", "b")])
        report = check(path, rows_out=tmp_path / "rows", known_probes=probes)
        assert (report.counts["probe_rows"], report.rows) == (is_probe, 2 - is_probe)

    def test_sealed_ones_are_counted_and_not_told_apart(self, tmp_path: Path) -> None:
        path = bring(tmp_path, [(self.LONG, "a"), ("something else", "b")])
        report = check(path, rows_out=tmp_path / "rows", sealed_probes=[(self.LONG, "x")])
        assert (report.counts["sealed_probe_rows"], report.counts["probe_rows"]) == (1, 0)
        assert report.rows == 2
        assert not report.findings

    def test_what_many_probes_have_in_common_is_not_what_they_ask(self) -> None:
        wording = (
            "Answer the following question about the map with one word and nothing else at all:"
        )
        probes = Probes([(f"{wording} where is town {n}?", "x") for n in range(10)])
        assert not probes.ask(f"{wording} how high is the mountain?")
        assert probes.ask(f"{wording} where is town 3?")

    def test_no_probes_ask_nothing(self) -> None:
        assert not Probes([]).ask("")
        assert not Probes([("?", "x")]).ask("")


class TestPersonalData:
    @pytest.mark.parametrize(
        ("text", "hidden"),
        [
            ("write to ann.lee+x@mail.example.org now", "write to [EMAIL] now"),
            ("call +49 170 1234567 or (030) 123 4567", "call [PHONE] or [PHONE]"),
            ("ring 0170-1234567", "ring [PHONE]"),
            ("pay to DE89 3704 0044 0532 0130 00 AND more", "pay to [IBAN] AND more"),
            ("pay to GB82WEST12345698765432.", "pay to [IBAN]."),
            ("card 4111 1111 1111 1111", "card [CARD]"),
            ("token ghp_" + "a1B2" * 9, "token [KEY]"),
            ("key AKIAIOSFODNN7EXAMPLE.", "key [KEY]."),
            ("secret q7Zp3LxT9vKd2Rm8WbY4sNc6HfJ1aGe5", "secret [KEY]"),
            (
                "-----BEGIN PRIVATE KEY-----\nMIIEowIBAAKCAQEA7\n-----END PRIVATE KEY-----!",
                "[KEY]!",
            ),
            ("card 4111 1111 1111 1112", None),
            ("pay to DE89 3704 0044 0532 0130 01", None),
            ("in 2019 2020 2021 there were 1,234,567.89 of 100 000 000", None),
            ("a@b and user@localhost, 3 @ 4", None),
            ("deadbeef" * 5, None),
            ("https://example.org/some/long/path/withoutanykeys/inside/of/it", None),
            ("pi is 3.14159265358979323846", None),
            ("Donaudampfschifffahrtsgesellschaftskapitaen", None),
        ],
    )
    def test_what_is_hidden(self, tmp_path: Path, text: str, hidden: str | None) -> None:
        assert masked(text)[0] == (hidden or text)
        path = bring(tmp_path, [(text, "fine")])
        report = check(path, rows_out=None)
        counts = mask(path, out=tmp_path / "masked")
        assert counts == report.personal
        assert bool(counts) == (hidden is not None)
        assert json.loads((tmp_path / "masked").read_text())["prompt"] == (hidden or text)
        again = check(tmp_path / "masked", rows_out=None)
        assert (again.ok, again.personal) == (True, {})

    def test_the_report_says_where_and_never_what(self, tmp_path: Path) -> None:
        path = bring(tmp_path, [("fine", "fine too"), ("who?", "me, ann@example.org")])
        report = check(path, rows_out=None)
        (warning,) = report.findings
        assert (warning.severity, warning.row, warning.column) == ("warning", 2, "completion")
        assert "e-mail" in warning.problem
        told = report.to_dict() | {"preview": []}
        assert "ann@" not in json.dumps(told | {"labels": []})

    def test_masked_rows_are_recognised_again(self, tmp_path: Path) -> None:
        for content, shape in (
            ("A line.\nMail me at ann@example.org today.\n", "plain_text"),
            ("text,label\nann@example.org,a\nb,b\n", "text_label"),
        ):
            (tmp_path / "brought").write_text(content)
            assert mask(tmp_path / "brought", out=tmp_path / "masked") == {"e-mail": 1}
            report = check(tmp_path / "masked", rows_out=None)
            assert (report.ok, report.shape, report.rows) == (True, shape, 2)

    def test_nothing_is_masked_in_a_file_that_cannot_be_read(self, tmp_path: Path) -> None:
        (tmp_path / "brought").write_text("a,b\nann@example.org,x\n")
        assert mask(tmp_path / "brought", out=tmp_path / "masked") == {}


class TestStatistics:
    def test_tokens_are_counted(self, tmp_path: Path) -> None:
        def count(texts: list[str]) -> list[int]:
            return [len(text.split()) for text in texts]

        path = bring(tmp_path, [("one two three", "four"), ("five", "six")])
        report = check(path, rows_out=None, count_tokens=count)
        assert (report.tokens, report.tokens_estimated) == (6, False)
        assert check(path, rows_out=None).tokens is None

    def test_many_tokens_are_estimated(self, tmp_path: Path) -> None:
        path = bring(tmp_path, [(f"{seed} " + sentence(200, 0), "a b c") for seed in range(9_000)])
        report = check(path, rows_out=None, count_tokens=lambda texts: [len(t) for t in texts])
        assert report.tokens_estimated
        chars = sum(report.lengths[f"{part}_chars_mean"] for part in ("prompt", "completion"))
        assert report.tokens == pytest.approx(chars * report.rows, rel=0.001)

    def test_the_histogram_has_every_row_once(self, tmp_path: Path) -> None:
        rows = [("x" * length + f" {length}", "y") for length in range(1, 1_000, 7)]
        report = check(bring(tmp_path, rows), rows_out=None)
        assert sum(count for _, count in report.histogram) == report.rows
        assert report.histogram[0][1] == sum(len(prompt) + 1 <= 50 for prompt, _ in rows)


def test_older_reports_are_still_read() -> None:
    old = {
        "format": "csv", "shape": "text_label", "rows": 1, "findings": [], "counts": {"errors": 0},
        "columns": ["text", "label"], "labels": [["a", 1]],
        "preview": [{"prompt": "x", "completion": "a"}], "lengths": {}, "sha256": "", "size": 3,
        "forgotten": True,
    }  # fmt: skip
    report = Report.from_dict(old)
    assert (report.ok, report.personal, report.tokens) == (True, {}, None)
    assert report.labels == [("a", 1)]
