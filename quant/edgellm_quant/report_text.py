"""The words and tables of REPORT.md. Pure; holds no date, so that the same figures give the same
text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from edgellm_quant.spec import Made

if TYPE_CHECKING:
    from edgellm_quant.about import About
    from edgellm_quant.report import Entry, Report

_NONE = "–"
_MADE_HEAD = ("file", "bits/weight", "size", "verdict")
_LOSS_HEAD = (
    "file", "perplexity", "ratio", "KLD mean", "p90", "p99", "max", "top-1", "golden",
)  # fmt: skip
_COST_HEAD = ("file", "load", "resident", "prefill", "decode")


def report_text(report: Report, curve: str, missing: str = "") -> str:
    """Markdown.

    Args:
        curve: the picture's file; empty = there is none.
        missing: why there is none.
    """
    entries = report.entries
    measured = [entry for entry in entries if entry.made.evaluation is not None]
    blocks = [f"# {_words(report.source)}, quantised", _conditions(report), _summary(entries)]
    if entries:
        blocks += ["## Files", _table(_MADE_HEAD, map(_made_row, entries))]
    if curve:
        blocks += [f"![Size against loss, with the curve of the best files]({curve})", _ON_CURVE]
    if missing:
        blocks.append(missing)
    if measured:
        blocks += ["## Loss", _table(_LOSS_HEAD, map(_loss_row, measured)), _legend(measured)]
        blocks += ["## Cost", _table(_COST_HEAD, map(_cost_row, measured)), _COST_LEGEND]
    blocks += _digests(entries)
    blocks += _stanzas(entries, report.about.device)
    return "\n\n".join(filter(None, blocks)) + "\n"


_ON_CURVE = (
    "Files marked with * are on the curve: no other one is smaller and loses less. "
    "A cross is a file that was refused."
)
_STANZAS_HEAD = """\
## For a catalogue

`edgellm quant run --adopt` puts the files into this device's own. To share them, put them into a
repository, write its name here, and add the lines to the model's `variants` in a `models.yaml`."""
_COST_LEGEND = "Load and resident memory are of a process of its own; speeds are in tokens/s."


def _conditions(report: Report) -> str:
    about = report.about
    return _table(("", ""), [(name, value) for name, value in _facts(about) if value])


def _facts(about: About) -> Iterator[tuple[str, str]]:
    yield "source's sha256", f"`{about.source_sha256}`" if about.source_sha256 else ""
    yield "source's size", f"{about.source_bytes:,} bytes" if about.source_bytes else ""
    yield "evaluated on", about.text
    yield "importance matrix", about.calibration
    yield from about.settings.items()
    yield "machine", about.machine
    yield "versions", ", ".join(f"{name} {value}" for name, value in about.versions.items())
    yield "command", f"`{about.command}`" if about.command else ""


def _summary(entries: Sequence[Entry]) -> str:
    if not entries:
        return "Nothing is finished yet."
    refused = sum(1 for entry in entries if entry.made.refusal)
    open_ = sum(1 for entry in entries if entry.made.evaluation is None and not entry.made.refusal)
    parts = [f"{len(entries) - refused} of {len(entries)} files released"]
    if refused:
        parts.append(f"{refused} refused")
    if open_:
        parts.append(f"{open_} not measured")
    return ", ".join(parts) + "."


def _made_row(entry: Entry) -> tuple[str, ...]:
    made, bits = entry.made, entry.bits_per_weight
    star = " *" if entry.is_on_front else ""
    size = f"{made.size_bytes / 1024**2:,.1f} MiB"
    return f"{made.recipe.label}{star}", _number(bits, ".2f"), size, _verdict(made)


def _verdict(made: Made) -> str:
    if made.refusal:
        return f"refused: {made.refusal}"
    return "released" if made.evaluation is not None else "released, not measured"


def _loss_row(entry: Entry) -> tuple[str, ...]:
    evaluation = entry.made.evaluation
    assert evaluation is not None
    loss, golden = evaluation.loss, evaluation.golden
    return (
        entry.made.recipe.label,
        f"{loss.perplexity:.4f}",
        f"{loss.perplexity / loss.reference_perplexity:.4f}",
        _tiny(loss.kld_mean) + (f" ± {loss.kld_error:.1g}" if loss.kld_error else ""),
        *(_tiny(kld) for kld in (loss.kld_p90, loss.kld_p99, loss.kld_max)),
        f"{loss.top1:.2%}",
        f"{golden.num_passed}/{golden.num_prompts}" if golden.num_prompts else _NONE,
    )


def _cost_row(entry: Entry) -> tuple[str, ...]:
    assert entry.made.evaluation is not None
    cost = entry.made.evaluation.cost
    return (
        entry.made.recipe.label,
        f"{cost.load_seconds:.2f} s",
        f"{cost.resident_bytes / 1024**2:,.0f} MiB",
        f"{cost.prefill_tokens_per_second:,.1f}",
        f"{cost.decode_tokens_per_second:,.1f}",
    )


def _legend(measured: Sequence[Entry]) -> str:
    evaluation = measured[0].made.evaluation
    assert evaluation is not None
    loss = evaluation.loss
    return (
        f"Over {loss.num_tokens:,} tokens, against the unquantised model, whose perplexity is "
        f"{loss.reference_perplexity:.4f}. KLD is the Kullback-Leibler divergence of the next "
        "token's distribution, in nats (± its standard error); top-1 is the share of tokens at "
        "which both like the same one best."
    )


def _stanzas(entries: Sequence[Entry], device: str) -> list[str]:
    """What a `models.yaml` says of the files, once they lie where others reach them."""
    from edgellm.catalog.card import ModelFile, Variant
    from edgellm.catalog.made import stanza
    from edgellm_quant.emit import measured_of

    lines = [
        stanza(
            Variant(
                made.runtime,
                made.recipe.label,
                source="hf:OWNER/REPO",
                files=(ModelFile(_name(made.path), made.size_bytes, made.sha256),),
                measured=measured_of(made.evaluation, device) if made.evaluation else None,
            )
        )
        for made in _files(entries)
    ]
    return [_STANZAS_HEAD, "```yaml\n" + "\n".join(lines) + "\n```"] if lines else []


def _digests(entries: Sequence[Entry]) -> list[str]:
    """To check a copy of a file by."""
    lines = [f"{made.sha256}  {_name(made.path)}" for made in _files(entries)]
    return ["## Digests", "```\n" + "\n".join(lines) + "\n```"] if lines else []


def _files(entries: Sequence[Entry]) -> list[Made]:
    """What can be handed on as one file."""
    found = (entry.made for entry in entries)
    return [m for m in found if m.runtime == "llama_cpp" and m.sha256 and not m.refusal]


def _name(path: str) -> str:
    return path.rpartition("/")[2]


def _tiny(value: float) -> str:
    """Divergences go over many powers of ten."""
    return f"{value:.4f}" if value >= 0.1 or value == 0 else f"{value:.3g}"


def _number(value: float | None, form: str) -> str:
    return _NONE if value is None else format(value, form)


def _table(head: Sequence[str], rows: Iterator[tuple[str, ...]] | Sequence[tuple[str, ...]]) -> str:
    cells = [head, ["---"] * len(head), *rows]
    if len(cells) == 2:
        return ""
    return "\n".join("| " + " | ".join(_words(cell) for cell in row) + " |" for row in cells)


def _words(text: str) -> str:
    """In a cell: no line breaks, and no end of the cell."""
    return " ".join(text.split()).replace("|", "\\|")
