"""The best mix for a budget against llama.cpp's own type of the same size.

    python -m benches.mix                                   # pocket
    python -m benches.mix --outliers                        # pocket with outlier channels
    python -m benches.mix MODEL-F16.gguf --types Q3_K,Q4_K,Q5_K,Q6_K,Q8_0

For each stock type: llama.cpp's own file, and the mix whose budget is that file's size. Both are
made with the same importance matrix. Matrix and sensitivities come from the calibration text, the
divergences from the evaluation text, which has nothing in common with it.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from edgellm_quant import divergence, texts
from edgellm_quant.calibrate import make_imatrix
from edgellm_quant.gguf import quantise
from edgellm_quant.mix import MEASURED_WINDOWS, choose, rate
from edgellm_quant.reference import Reference
from edgellm_quant.spec import Loss, Recipe
from msgspec import Struct
from msgspec.structs import asdict

from benches._report import number, print_json, print_table
from edgellm.assets import builtin_model
from edgellm.store.gguf_header import GGUFHeader, read_header

STOCK = ("Q2_K", "Q3_K_M", "Q4_K_M", "Q5_K_M")
HEAD = ("type", "bytes", "mix", "KLD", "mix", "less", "foretold", "top-1", "mix")


class Row(Struct, frozen=True):
    """A stock type and the mix of its size. Divergences in nats per token."""

    stock: str
    stock_bytes: int
    mix_bytes: int
    stock_kld: float
    mix_kld: float
    foretold_kld: float
    stock_top1: float
    mix_top1: float

    @property
    def saved(self) -> float:
        """Share of the divergence."""
        return 1 - self.mix_kld / self.stock_kld


class Texts(Struct, frozen=True):
    """What is measured with. `held_out` has no part in choosing."""

    imatrix: Path
    measured: Reference
    held_out: Reference


def prepare(source: Path, folder: Path, most_windows: int = 0) -> Texts:
    """Matrix and references from the texts that come with the program."""
    calibration, evaluation = texts.calibration_text(), texts.evaluation_text()
    return Texts(
        make_imatrix(source, folder / "imatrix.gguf", calibration),
        Reference.make(source, calibration, folder, most_windows=MEASURED_WINDOWS),
        Reference.make(source, evaluation, folder, most_windows=most_windows),
    )


def compare(
    source: Path,
    stock: Sequence[str],
    given: Texts,
    folder: Path,
    types: Sequence[str] = (),
) -> list[Row]:
    """A row for each stock type; the sensitivities are measured once."""
    rated = rate(
        source,
        reference=given.measured,
        imatrix=given.imatrix,
        types=types,
        folder=folder,
        measure=lambda path: divergence.measure(path, given.measured).kld_mean,
    )
    header, rows = read_header(source), []
    for name in stock:
        own, own_loss = _made(source, Recipe(name), given, folder / f"{name}.gguf")
        mix = choose(header, rated, own, given.imatrix)
        size, loss = _made(source, mix.recipe, given, folder / f"mix-{name}.gguf")
        klds = (own_loss.kld_mean, loss.kld_mean, mix.loss)
        rows.append(Row(name, own, size, *klds, own_loss.top1, loss.top1))
    return rows


def _made(source: Path, recipe: Recipe, given: Texts, target: Path) -> tuple[int, Loss]:
    """Size and loss of a file that is made and measured, and gone then."""
    quantise(source, target, recipe, imatrix=given.imatrix)
    try:
        return target.stat().st_size, divergence.measure(target, given.held_out)
    finally:
        target.unlink()


def with_outliers(source: Path, target: Path, seed: int = 0) -> Path:
    """A Llama in F16 that computes the same, but has channels of 8 to 64 times the usual size, as
    large models have: what the norms and `ffn_up` give grows there, and the columns that take it
    shrink. Powers of two, so nothing is rounded but what becomes subnormal."""
    shutil.copyfile(source, target)
    header = read_header(target)
    random = np.random.default_rng(seed)
    blocks = int(str(header.metadata[f"{header.architecture}.block_count"]))
    for block in range(blocks):
        _grow(target, header, block, "attn_norm", ("attn_q", "attn_k", "attn_v"), random)
        _grow(target, header, block, "ffn_norm", ("ffn_gate", "ffn_up"), random)
        _grow(target, header, block, "ffn_up", ("ffn_down",), random)
    return target


def _grow(
    path: Path,
    header: GGUFHeader,
    block: int,
    giver: str,
    takers: Sequence[str],
    random: np.random.Generator,
) -> None:
    given = _mapped(path, header, f"blk.{block}.{giver}.weight")
    channels = random.choice(len(given), max(1, len(given) // 64), replace=False)
    factors = (2.0 ** random.integers(3, 7, len(channels))).astype(given.dtype)
    given[channels] *= factors if given.ndim == 1 else factors[:, None]
    for taker in takers:
        _mapped(path, header, f"blk.{block}.{taker}.weight")[:, channels] /= factors


def _mapped(path: Path, header: GGUFHeader, name: str) -> np.memmap:
    """A tensor in the file, to be changed there; rows first."""
    tensor = next(each for each in header.tensors if each.name == name)
    kind = {"F32": np.float32, "F16": np.float16}[tensor.type]
    return np.memmap(path, kind, "r+", header.data_offset + tensor.offset, tensor.shape[::-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("model", type=Path, nargs="?", default=builtin_model())
    parser.add_argument("--outliers", action="store_true", help="give it outlier channels first")
    parser.add_argument("--stock", default=",".join(STOCK), help="types of llama.cpp")
    parser.add_argument("--types", default="", help="that the mix may use; empty = all")
    parser.add_argument("--windows", type=int, default=0, help="of the evaluation text; 0 = all")
    options = parser.parse_args()
    types = tuple(filter(None, options.types.split(",")))
    with tempfile.TemporaryDirectory() as name:
        folder, source = Path(name), options.model
        if options.outliers:
            source = with_outliers(source, folder / "outliers.gguf")
        given = prepare(source, folder, options.windows)
        rows = compare(source, options.stock.split(","), given, folder, types)
        num_tokens = given.held_out.num_tokens
    print_table(HEAD, map(_cells, rows))
    plan = {"model": options.model.name, "outliers": options.outliers, "types": types}
    print_json("mix", plan | {"tokens": num_tokens}, {row.stock: asdict(row) for row in rows})


def _cells(row: Row) -> tuple[str, ...]:
    return (
        row.stock,
        f"{row.stock_bytes:,}",
        f"{row.mix_bytes:,}",
        number(row.stock_kld),
        number(row.mix_kld),
        f"{row.saved:.0%}",
        number(row.foretold_kld),
        f"{row.stock_top1:.1%}",
        f"{row.mix_top1:.1%}",
    )


if __name__ == "__main__":
    main()
