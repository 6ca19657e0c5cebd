"""A report of a job: every figure, the curve, and the same bytes for the same figures."""

from __future__ import annotations

import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from edgellm_quant.about import About
from edgellm_quant.chart import Point, curve, front
from edgellm_quant.report import CURVE, DATA, TEXT, read_report, write_report
from msgspec.structs import replace

from edgellm.assets import catalog_file
from edgellm.catalog.parse import parse_catalog
from edgellm.errors import QuantError
from tests.quant.made import imagined, made

MIB = 1024**2
FILES = (
    imagined("Q8_0", 80 * MIB, 0.001),
    imagined("Q4_K_M", 48 * MIB, 0.03),
    imagined("Q4_0", 49 * MIB, 0.07),
    imagined("Q2_K", 31 * MIB, 0.33, "Its KL divergence is 0.33, above 0.1."),
    imagined("Q6_K", 65 * MIB, None),
)
ABOUT = About(
    source_sha256="cd" * 32,
    text="wiki | held out, 2048 tokens",
    settings={"threads": "4"},
    machine="A board, 4 cores",
    versions={"edgellm": "1.2.3"},
    command="edgellm quant run pocket --to Q8_0",
)


def test_everything_is_in_it(tmp_path: Path) -> None:
    write_report(tmp_path, "pocket", FILES, about=ABOUT)
    text = (tmp_path / TEXT).read_text()
    assert text.startswith("# pocket, quantised\n")
    assert "4 of 5 files released, 1 refused, 1 not measured." in text
    for words in ("wiki \\| held out", "`edgellm quant run pocket --to Q8_0`", "edgellm 1.2.3"):
        assert words in text
    rows = {line.split("|")[1].strip(): line for line in text.splitlines() if "MiB" in line}
    assert "| Q8_0 * | – | 80.0 MiB | released |" in text
    assert "| Q4_0 | – | 49.0 MiB | released |" in text  # Q4_K_M is smaller and loses less
    assert "refused: Its KL divergence is 0.33, above 0.1." in text
    assert "released, not measured" in text
    assert (
        "| Q4_K_M | 10.3000 | 1.0300 | 0.03 ± 0.003 | 0.06 | 0.2700 | 2.4000 | 97.00% | 9/10 |"
        in text
    )
    assert "0.50 s" in rows["Q4_0"]
    assert f"![Size against loss, with the curve of the best files]({CURVE})" in text
    assert f"{'ab' * 32}  Q8_0.gguf" in text


def test_its_stanzas_are_a_catalogues(tmp_path: Path) -> None:
    write_report(tmp_path, "pocket", FILES, about=replace(ABOUT, device="A board, 4 cores"))
    text = (tmp_path / TEXT).read_text().partition("```yaml\n")[2].partition("\n```")[0]
    lines = [f"      {line}" for line in text.splitlines()]
    card = catalog_file().read_text().split("\n\n")[0]
    found = parse_catalog("\n".join([card, *lines]), "here").models[0].variants[1:]
    assert [each.quant for each in found] == ["Q8_0", "Q4_K_M", "Q4_0", "Q6_K"]  # not the refused
    assert found[0].files[0].sha256 == "ab" * 32
    assert found[0].measured is not None
    assert (found[0].measured.kld_mean, found[0].measured.device) == (0.001, "A board, 4 cores")
    assert found[3].measured is None


def test_programs_can_read_it(tmp_path: Path) -> None:
    write_report(tmp_path, "pocket", FILES, about=ABOUT)
    found = read_report(tmp_path)
    assert found is not None
    assert (found.source, found.about) == ("pocket", ABOUT)
    assert tuple(entry.made for entry in found.entries) == FILES
    assert [entry.is_on_front for entry in found.entries] == [True, True, False, False, False]
    (tmp_path / DATA).write_text("{")
    assert read_report(tmp_path) is None


def test_bits_per_weight_are_those_of_the_files_tensors(tmp_path: Path, tiny_model: Path) -> None:
    write_report(tmp_path, "tiny", [made(tiny_model, "F32", kld=None)])
    found = read_report(tmp_path)
    assert found is not None
    assert found.entries[0].bits_per_weight == 32
    assert "| F32 | 32.00 |" in (tmp_path / TEXT).read_text()


def test_the_same_figures_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_report(tmp_path / name, "pocket", FILES, about=ABOUT)
    for name in (TEXT, DATA, CURVE):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes(), name


def test_the_curve_is_a_picture_with_every_label_and_no_date(tmp_path: Path) -> None:
    write_report(tmp_path, "pocket", FILES)
    text = (tmp_path / CURVE).read_text()
    root = ET.fromstring(text)
    assert root.tag.endswith("svg")
    for label in ("Q8_0", "Q4_K_M", "Q4_0", "Q2_K", "released", "refused"):
        assert f"<!-- {label} -->" in text
    assert "<!-- Q6_K -->" not in text  # it was not measured
    assert "dc:date" not in text


def test_a_job_that_has_just_begun(tmp_path: Path) -> None:
    write_report(tmp_path / "new", "pocket", [])
    text = (tmp_path / "new" / TEXT).read_text()
    assert "Nothing is finished yet." in text
    assert not (tmp_path / "new" / CURVE).exists()


def test_an_old_curve_goes_where_there_is_none_any_more(tmp_path: Path) -> None:
    write_report(tmp_path, "pocket", FILES)
    write_report(tmp_path, "pocket", FILES[-1:])
    assert not (tmp_path / CURVE).exists()
    assert CURVE not in (tmp_path / TEXT).read_text()


def test_without_matplotlib_the_rest_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    write_report(tmp_path, "pocket", FILES)
    text = (tmp_path / TEXT).read_text()
    assert "pip install 'edgellm[quant]'" in text
    assert CURVE not in text
    assert not (tmp_path / CURVE).exists()


def test_a_folder_that_cannot_be_written_is_an_error_with_a_hint(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(QuantError, match="cannot be written") as error:
        write_report(tmp_path / "file" / "below", "pocket", FILES)
    assert "--out" in error.value.hint


def test_the_front_is_what_nothing_beats() -> None:
    points = [Point(name, size, kld) for name, size, kld in (
        ("a", 10, 0.5), ("b", 20, 0.1), ("c", 20, 0.2), ("d", 30, 0.1), ("e", 40, 0.0),
    )]  # fmt: skip
    assert [point.label for point in front(points)] == ["a", "b", "e"]


def test_odd_points_are_drawn_too() -> None:
    """A copy loses nothing, which no logarithm shows; names are no formulas."""
    svg = curve([Point("$F_16$", 5 * MIB, 0.0), Point("<b>&", 5 * MIB, 0.0)], "a $title$ & more")
    assert ET.fromstring(svg).tag.endswith("svg")
