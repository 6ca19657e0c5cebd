"""Reports of a job: REPORT.md for people, report.json for programs, and the curve of size against
loss.

A job may be reported while it runs: what is not measured yet is left open. The same figures give
the same bytes, so that reports can be compared line by line. Knows files; the words are those of
`report_text.py`, the picture is `chart.py`'s.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path

import msgspec
from msgspec import Struct

from edgellm.atomic import write_atomically
from edgellm.errors import EdgellmError, QuantError
from edgellm_quant.about import About
from edgellm_quant.chart import Point, curve, front
from edgellm_quant.report_text import report_text
from edgellm_quant.spec import Made

TEXT, DATA, CURVE = "REPORT.md", "report.json", "size-loss.svg"
_FORMAT = 1


class Entry(Struct, frozen=True):
    """A file of the job, with what follows from its figures."""

    made: Made
    bits_per_weight: float | None = None
    is_on_front: bool = False  # no other file is smaller and loses less


class Report(Struct, frozen=True):
    """All that is known of a job's files; `report.json`."""

    source: str
    about: About
    entries: tuple[Entry, ...]
    format: int = _FORMAT


def write_report(
    folder: Path, source: str, made: Sequence[Made], *, about: About | None = None
) -> None:
    """Write the three files, each of them whole or not at all.

    Without matplotlib there is no picture, and the text says how to get one.

    Args:
        source: what the files were made of, as the user called it.
        made: in the order in which they shall be listed; may be incomplete, or empty.

    Raises:
        QuantError: the folder cannot be written.
    """
    report = make_report(source, made, about or About())
    points = points_of(report)
    svg, missing = None, ""
    if points:
        try:
            svg = curve(points, f"Size against loss: {source}")
        except ImportError:
            missing = "There is no curve, for matplotlib is missing: pip install 'edgellm[quant]'"
    text = report_text(report, CURVE if svg else "", missing)
    data = msgspec.json.format(msgspec.json.encode(report), indent=1) + b"\n"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if svg is None:
            (folder / CURVE).unlink(missing_ok=True)
        else:
            write_atomically(folder / CURVE, svg)
        write_atomically(folder / DATA, data)
        write_atomically(folder / TEXT, text.encode())
    except OSError as error:
        raise QuantError(
            f"The report cannot be written to {folder}: {error.strerror}.",
            "Make room on the disk, or choose another folder with --out.",
        ) from error


def read_report(folder: Path) -> Report | None:
    """What was written there; None where there is none that can be read."""
    with contextlib.suppress(OSError, msgspec.DecodeError):
        return msgspec.json.decode((folder / DATA).read_bytes(), type=Report)
    return None


def make_report(source: str, made: Sequence[Made], about: About) -> Report:
    """The figures, and what follows from them."""
    measured = [
        Point(each.recipe.label, each.size_bytes, each.evaluation.loss.kld_mean)
        for each in made
        if each.evaluation is not None and not each.refusal
    ]
    best = {point.label for point in front(measured)}
    return Report(
        source,
        about,
        tuple(Entry(each, bits_per_weight(each), each.recipe.label in best) for each in made),
    )


def points_of(report: Report) -> tuple[Point, ...]:
    """Of all files whose loss is known."""
    return tuple(
        Point(
            entry.made.recipe.label,
            entry.made.size_bytes,
            entry.made.evaluation.loss.kld_mean,
            is_refused=bool(entry.made.refusal),
        )
        for entry in report.entries
        if entry.made.evaluation is not None
    )


def bits_per_weight(made: Made) -> float | None:
    """Of a GGUF file, by its own header; None where that cannot be read."""
    from edgellm.planner.header_card import num_params
    from edgellm.planner.header_facts import facts_of_header
    from edgellm.store.gguf_header import read_header

    if made.runtime != "llama_cpp":
        return None
    with contextlib.suppress(OSError, EdgellmError):
        header = read_header(Path(made.path))
        return round(8 * header.tensor_bytes / num_params(facts_of_header(header)), 3)
    return None
