"""Files of a job with figures, for tests of what comes after it."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

from edgellm_quant.spec import Cost, Evaluation, Golden, Loss, Made, Recipe


def evaluation(kld: float = 0.02, *, resident_bytes: int = 10**8) -> Evaluation:
    loss = Loss(2048, 10 * (1 + kld), 10.0, kld, 2 * kld, 9 * kld, 80 * kld, 1 - kld, kld / 10)
    return Evaluation(loss, Cost(1000, 0.5, resident_bytes, 400.0, 40.0), Golden(9, 10))


def made(path: Path, label: str = "Q4_K_M", *, kld: float | None = 0.02, refusal: str = "") -> Made:
    """Of a file that is there."""
    return Made(
        Recipe(label),
        str(path),
        path.stat().st_size,
        sha256(path.read_bytes()).hexdigest(),
        evaluation=None if kld is None else evaluation(kld),
        refusal=refusal,
    )


def imagined(label: str, size_bytes: int, kld: float | None, refusal: str = "") -> Made:
    """Of a file that is not there."""
    return Made(
        Recipe(label),
        f"/nowhere/{label}.gguf",
        size_bytes,
        "ab" * 32,
        evaluation=None if kld is None else evaluation(kld),
        refusal=refusal,
    )
