"""Embeddings and rerankers' scores with llama.cpp: a context of its own over a loaded model.

The context gives every token's vector and the texts' are pooled here (`pooling.py`), so that any
pooling goes with any model, and a long text may come in pieces where attention looks back only.
Only rerankers pool in llama.cpp, whose classifier is a part of the graph. What one context computes
depends on no other, but the weights are shared.

For every token fed llama.cpp keeps room for the logits of the whole vocabulary, used or not: hence
the small steps (`llama_limits.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from edgellm.backends.base import EmbedLimits, NotNumbers, Piece, TextEnds
from edgellm.backends.pooling import Pool, Rows
from edgellm.errors import EngineError, EngineLoadError
from edgellm.types import Pooling

NO_POOLING, RANK_POOLING = 0, 4  # LLAMA_POOLING_TYPE_*
POOLINGS: dict[int, Pooling] = {1: "mean", 2: "cls", 3: "last"}
SOFTMAX_ARCHITECTURES = ("qwen3", "qwen3vl")  # their scores are probabilities already


class LlamaEmbedder:
    """`Embedder`."""

    def __init__(
        self,
        lib: Any,
        model: Any,
        limits: EmbedLimits,
        params: Any,
        *,
        is_ranker: bool,
        has_probabilities: bool = False,
    ) -> None:
        """Make the context.

        Args:
            params: llama.cpp's context parameters as the model is computed with; the sizes are
                set here.
            has_probabilities: of a ranker: its scores need no sigmoid.

        Raises:
            EngineLoadError: there is too little memory for it.
        """
        self._lib = lib
        self._limits = limits
        self._is_ranker = is_ranker
        self._has_probabilities = has_probabilities
        self._width: int = lib.llama_model_n_embd_out(model)
        self._num_classes: int = lib.llama_model_n_cls_out(model)
        _set_sizes(params, limits)
        params.embeddings = True
        params.pooling_type = RANK_POOLING if is_ranker else NO_POOLING
        self._context = lib.llama_init_from_model(model, params)
        if not self._context:
            raise EngineLoadError(
                f"llama.cpp cannot make a context for embeddings of {limits.context} tokens.",
                "Choose a smaller --context, or a smaller model.",
            )
        memory = lib.llama_get_memory(self._context)
        self._memory = memory or None  # encoders keep nothing
        self._batch = lib.llama_batch_init(limits.most_tokens, 0, 1)
        shape = (limits.most_tokens,)
        self._token_view = np.ctypeslib.as_array(self._batch.token, shape)
        self._pos_view = np.ctypeslib.as_array(self._batch.pos, shape)
        np.ctypeslib.as_array(self._batch.logits, shape)[:] = 1
        self._pools: dict[int, Pool] = {}

    @property
    def limits(self) -> EmbedLimits:
        return self._limits

    def begin(self, slot: int, pooling: Pooling) -> None:
        self._pools[slot] = Pool("last" if self._is_ranker else pooling)

    def feed(self, pieces: Sequence[Piece]) -> None:
        self._fill_batch(pieces)
        compute = self._lib.llama_encode if self._memory is None else self._lib.llama_decode
        status = compute(self._context, self._batch)
        if status != 0:
            raise EngineError(f"llama.cpp returned {status} while it computed embeddings.")
        begin = 0
        rows = None if self._is_ranker else self._rows()
        for piece in pieces:
            end = begin + len(piece.tokens)
            own = self._scores(piece.slot) if rows is None else rows[begin:end]
            self._pools[piece.slot].add(own)
            begin = end

    def finish(
        self, slot: int, *, is_normalized: bool = True, dimensions: int | None = None
    ) -> bytes:
        vector = self._take(slot, is_normalized=is_normalized, dimensions=dimensions)
        return vector.astype("<f4").tobytes()

    def score(self, slot: int) -> float:
        first = float(self._take(slot, is_normalized=False, dimensions=1)[0])
        return first if self._has_probabilities else float(1 / (1 + np.exp(-first)))

    def drop(self, slot: int) -> None:
        del self._pools[slot]
        if self._memory is not None:
            self._lib.llama_memory_seq_rm(self._memory, slot, -1, -1)

    def close(self) -> None:
        self._lib.llama_batch_free(self._batch)
        self._lib.llama_free(self._context)

    def _take(self, slot: int, *, is_normalized: bool, dimensions: int | None) -> Rows:
        pool = self._pools[slot]
        self.drop(slot)
        vector = pool.result(is_normalized=is_normalized, dimensions=dimensions)
        if not np.isfinite(vector).all():
            raise NotNumbers
        return vector

    def _fill_batch(self, pieces: Sequence[Piece]) -> None:
        end, batch = 0, self._batch
        for piece in pieces:
            begin, end = end, end + len(piece.tokens)
            self._token_view[begin:end] = piece.tokens
            self._pos_view[begin:end] = range(piece.start, piece.start + len(piece.tokens))
            for index in range(begin, end):
                batch.n_seq_id[index] = 1
                batch.seq_id[index][0] = piece.slot
        batch.n_tokens = end

    def _rows(self) -> Rows:
        """Every token's vector, shape (tokens, width); valid until the next step."""
        pointer = self._lib.llama_get_embeddings(self._context)
        return np.ctypeslib.as_array(pointer, (self._batch.n_tokens, self._width))

    def _scores(self, slot: int) -> Rows:
        """What the classifier says of the text so far, shape (1, classes)."""
        pointer = self._lib.llama_get_embeddings_seq(self._context, slot)
        return np.ctypeslib.as_array(pointer, (1, self._num_classes))


def text_ends(lib: Any, vocab: Any, model: Any) -> TextEnds:
    """How a pair of texts is put together, as llama.cpp's server does."""
    has_end, end = lib.llama_vocab_get_add_eos(vocab), lib.llama_vocab_eos(vocab)
    separator = lib.llama_vocab_sep(vocab)
    close = end if end >= 0 else separator
    template = lib.llama_model_chat_template(model, b"rerank")
    has_separator = lib.llama_vocab_get_add_sep(vocab)
    return TextEnds(
        begin=lib.llama_vocab_bos(vocab) if lib.llama_vocab_get_add_bos(vocab) else None,
        separator=separator if has_separator else None,
        end=close if has_end else None,
        tail=close if has_end else separator if has_separator else None,
        template=template.decode("utf-8", "replace") if template else None,
    )


def _set_sizes(params: Any, limits: EmbedLimits) -> None:
    params.n_ctx = limits.num_cells
    params.n_batch = params.n_ubatch = limits.most_tokens
    params.n_seq_max = limits.num_slots
    params.n_outputs_max = 0  # each token is one
    params.kv_unified = True
    params.swa_full = True
