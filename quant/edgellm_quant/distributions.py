"""Next-token distributions, kept small and compared exactly.

Of each distribution the likeliest tokens are kept with their log-probabilities in float32, until
no more than `TAIL` of the probability is left; the rest is kept as one sum. A model of 150,000
tokens needs a few hundred to a few thousand of them, a twentieth of llama-perplexity's 16 bits for
each token of the vocabulary, and without its rounding (2.4e-4 in a log-probability). The sum for
the rest makes a divergence smaller than the true one, by at most what the two models disagree about
within a hundred-thousandth of the probability. A flat distribution is kept whole.
"""

from __future__ import annotations

import io
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from msgspec import Struct

from edgellm.errors import QuantError

Floats: TypeAlias = npt.NDArray[np.float32]
Doubles: TypeAlias = npt.NDArray[np.float64]
Ids: TypeAlias = npt.NDArray[np.uint32]

TAIL = 1e-5
LEAST_LOG = -1000.0  # what a model takes for impossible (a logit of -inf), so that sums stay finite


class Distributions(Struct, frozen=True):
    """The distributions at some positions of a text. Rows are positions.

    Where a row keeps the whole vocabulary, its ids are not stored.
    """

    counts: npt.NDArray[np.int64]  # (rows,): tokens that are kept
    ids: Ids  # of all rows, one behind the other
    logprobs: Floats  # likewise, and those of whole rows
    tails: Floats  # (rows,): the probability of what is not kept
    best: Ids  # (rows,): the likeliest token
    nll: Floats  # (rows,): minus the log-probability of the text's own next token
    num_vocab: int

    def to_bytes(self) -> bytes:
        """For a file; with checksums."""
        buffer = io.BytesIO()
        fields = {name: getattr(self, name) for name in self.__struct_fields__}
        np.savez(buffer, **fields)
        return buffer.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes) -> Distributions:
        """What `to_bytes` made.

        Raises:
            ValueError, KeyError, OSError, zipfile.BadZipFile: the data is not that.
        """
        with np.load(io.BytesIO(data), allow_pickle=False) as stored:
            fields = {name: stored[name] for name in cls.__struct_fields__}
        return cls(**fields | {"num_vocab": int(fields["num_vocab"])})


class Comparison(Struct, frozen=True):
    """One model against another at some positions of a text; arrays of (positions,)."""

    kld: Doubles  # nats
    is_same_best: npt.NDArray[np.bool_]
    nll: Doubles
    reference_nll: Doubles


class _Softmax:
    """Row by row: exponentials in float32 and their sums in float64, as llama-perplexity has it."""

    def __init__(self, logits: Floats) -> None:
        """`logits`: of shape (rows, vocabulary)."""
        self.peaks = logits.max(axis=1)
        self.exponentials = logits - self.peaks[:, None]
        np.exp(self.exponentials, out=self.exponentials)
        self.totals = self.exponentials.sum(axis=1, dtype=np.float64)
        if not np.isfinite(self.totals).all():
            raise QuantError(
                "The model computes logits that are not numbers.",
                "Its file is broken, or it overflows: convert it to bf16 or f32 instead of f16.",
            )
        self.log_totals = self.peaks + np.log(self.totals)

    def nll(self, logits: Floats, next_tokens: npt.NDArray[np.int64]) -> Doubles:
        """Minus the log-probability of the tokens that came."""
        chosen = logits[np.arange(len(next_tokens)), next_tokens]
        return np.asarray(np.minimum(self.log_totals - chosen, -LEAST_LOG), np.float64)


def keep(logits: Floats, next_tokens: npt.NDArray[np.int64]) -> Distributions:
    """The distributions of logits, shape (rows, vocabulary), whose text goes on with these."""
    softmax = _Softmax(logits)
    num_vocab = logits.shape[1]
    counts, ids, logprobs, tails = [], [], [], []
    for row, (exponentials, total) in enumerate(
        zip(softmax.exponentials, softmax.totals, strict=True)
    ):
        kept = _likeliest(exponentials, total)
        is_whole = 2 * len(kept) > num_vocab
        chosen = logits[row] if is_whole else logits[row, kept]
        counts.append(len(chosen))
        ids.append(np.empty(0, np.uint32) if is_whole else kept)
        logprobs.append((chosen - softmax.log_totals[row]).astype(np.float32))
        left = 0.0 if is_whole else total - exponentials[kept].sum(dtype=np.float64)
        tails.append(max(0.0, left / total))
    return Distributions(
        counts=np.array(counts),
        ids=np.concatenate(ids),
        logprobs=np.concatenate(logprobs),
        tails=np.array(tails, np.float32),
        best=logits.argmax(axis=1).astype(np.uint32),
        nll=softmax.nll(logits, next_tokens).astype(np.float32),
        num_vocab=num_vocab,
    )


def _likeliest(exponentials: Floats, total: float) -> Ids:
    """The fewest tokens that leave no more than TAIL, by number; all that are as likely as the
    last of them, too."""
    ascending = np.sort(exponentials)
    num_left = int(np.searchsorted(np.cumsum(ascending, dtype=np.float64), total * TAIL, "right"))
    return np.flatnonzero(exponentials >= ascending[num_left]).astype(np.uint32)


def join(parts: list[Distributions]) -> Distributions:
    """Parts of one text as one."""
    arrays = {
        name: np.concatenate([getattr(part, name) for part in parts])
        for name in Distributions.__struct_fields__
        if name != "num_vocab"
    }
    return Distributions(**arrays, num_vocab=parts[0].num_vocab)


class Comparer:
    """Compares logits, part by part, with the distributions kept of the same text."""

    def __init__(self, reference: Distributions) -> None:
        self._reference = reference
        self._row = self._id = self._logprob = 0  # where the next part begins

    def compare(self, logits: Floats, next_tokens: npt.NDArray[np.int64]) -> Comparison:
        """The next rows; `logits` has shape (rows, vocabulary)."""
        softmax = _Softmax(logits)
        rows = slice(self._row, self._row + len(logits))
        self._row = rows.stop
        kld = [
            self._divergence(row, logits[at], softmax, at)
            for at, row in enumerate(range(rows.start, rows.stop))
        ]
        return Comparison(
            kld=np.array(kld),
            is_same_best=logits.argmax(axis=1) == self._reference.best[rows],
            nll=softmax.nll(logits, next_tokens),
            reference_nll=self._reference.nll[rows].astype(np.float64),
        )

    def _divergence(self, row: int, logits: Floats, softmax: _Softmax, at: int) -> float:
        """Sum of p (ln p - ln q) over what is kept, and over the rest as one token."""
        reference = self._reference
        count = int(reference.counts[row])
        is_whole = count == reference.num_vocab
        p_logs = reference.logprobs[self._logprob : self._logprob + count].astype(np.float64)
        p_logs = np.maximum(p_logs, LEAST_LOG)
        self._logprob += count
        kept: Ids | slice = slice(None)
        if not is_whole:
            kept = reference.ids[self._id : self._id + count]
            self._id += count
        q_logs = np.maximum(logits[kept] - softmax.log_totals[at], LEAST_LOG)
        divergence = np.exp(p_logs) @ (p_logs - q_logs)
        tail = float(reference.tails[row])
        if tail > 0:
            left = softmax.totals[at] - softmax.exponentials[at, kept].sum(dtype=np.float64)
            share = max(left / softmax.totals[at], np.finfo(np.float32).tiny)
            divergence += tail * (np.log(tail) - np.log(share))
        return float(divergence)
