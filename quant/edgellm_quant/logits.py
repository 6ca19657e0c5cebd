"""A model opened to be looked at: tokens in, the logits of every position out, or no more than what
an observer of the computation sees.

Knows one sequence at a time, and neither texts to measure nor what the logits are good for. All of
it runs in this process: what must survive a crash of llama.cpp calls it from a child (`child.py`).
"""

from __future__ import annotations

import contextlib
import ctypes
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from edgellm.backends.llama_cpp import TINY_PARAMS, NativeLog
from edgellm.backends.threads import usable_threads
from edgellm.errors import EngineLoadError, QuantError

Logits: TypeAlias = npt.NDArray[np.float32]
# Called with the address of a node of the graph, and whether that is to ask if it is of interest.
Observer: TypeAlias = Callable[[int, bool], bool]

DEFAULT_CONTEXT = 512
_LOGITS_BYTES = 128 << 20  # of one step; llama.cpp holds them twice. Vocabularies reach 260,000
_MOST_STEP, _LEAST_STEP = 512, 32  # tokens


class Model:
    """A loaded model with a context for one sequence."""

    def __init__(
        self,
        lib: Any,
        log: NativeLog,
        model: Any,
        context: int,
        threads: int,
        observer: Observer | None,
    ) -> None:
        self.context = context
        self._lib = lib
        self._model = model
        self._vocab = lib.llama_model_get_vocab(model)
        self.num_vocab: int = lib.llama_vocab_n_tokens(self._vocab)
        self.num_blocks: int = lib.llama_model_n_layer(model)
        self.trained_context: int = lib.llama_model_n_ctx_train(model)
        start = lib.llama_vocab_bos(self._vocab)
        self.start_token: int | None = start if lib.llama_vocab_get_add_bos(self._vocab) else None
        self._step = step_tokens(self.num_vocab, context)
        self._failure: BaseException | None = None
        self._callback = self._watch(observer)  # must outlive the context
        self._context = self._create_context(log, threads)
        self._batch = lib.llama_batch_init(self._step, 0, 1)
        for index in range(self._step):
            self._batch.n_seq_id[index] = 1
            self._batch.seq_id[index][0] = 0

    def tokenize(self, text: str) -> list[int]:
        """The whole text as the model reads one: a start token in front where it wants one, no end
        token, and control tokens that the text spells stay text."""
        data = text.encode("utf-8", "replace")
        buffer = (ctypes.c_int32 * (len(data) + 2))()  # no token has less than a byte
        count = self._lib.llama_tokenize(
            self._vocab, data, len(data), buffer, len(buffer), True, False
        )
        if count < 0:
            raise QuantError("The text cannot be cut into tokens.", "Is it longer than 2 GB?")
        adds_end = bool(self._lib.llama_vocab_get_add_eos(self._vocab))
        return buffer[: count - adds_end]

    def logits(self, tokens: Sequence[int]) -> Logits:
        """All logits at once, float32 of shape (tokens, vocabulary). Mind the memory: `stream`
        gives the same in parts."""
        whole = np.empty((len(tokens), self.num_vocab), np.float32)
        for begin, part in self.stream(tokens):
            whole[begin : begin + len(part)] = part
        return whole

    def stream(self, tokens: Sequence[int], first: int = 0) -> Iterator[tuple[int, Logits]]:
        """The logits from position `first` on, in parts: where each begins, and the part.

        A part is a view of llama.cpp's own memory, good until the next one is asked for. What is
        before `first` is computed, but not turned into logits.
        """
        self._lib.llama_memory_clear(self._lib.llama_get_memory(self._context), True)
        for begin, end in steps(len(tokens), self._step):
            outputs_from = max(begin, first)
            self._decode(tokens[begin:end], begin, outputs_from)
            if outputs_from < end:
                pointer = self._lib.llama_get_logits(self._context)
                shape = (end - outputs_from, self.num_vocab)
                yield outputs_from, np.ctypeslib.as_array(pointer, shape)

    def close(self) -> None:
        """Free everything."""
        self._lib.llama_batch_free(self._batch)
        self._lib.llama_free(self._context)

    def _decode(self, tokens: Sequence[int], begin: int, outputs_from: int) -> None:
        count, batch = len(tokens), self._batch
        view = np.ctypeslib.as_array
        view(batch.token, (count,))[:] = tokens
        view(batch.pos, (count,))[:] = np.arange(begin, begin + count)
        view(batch.logits, (count,))[:] = np.arange(begin, begin + count) >= outputs_from
        batch.n_tokens = count
        status = self._lib.llama_decode(self._context, batch)
        if self._failure is not None:  # llama.cpp cannot carry it through its own frames
            raise self._failure
        if status != 0:
            raise QuantError(
                f"llama.cpp could not compute {count} tokens (llama_decode returned {status})."
            )

    def _watch(self, observer: Observer | None) -> Any:
        """The observer as llama.cpp calls it, for each node of each graph."""
        if observer is None:
            return None

        def call(node: int, is_asking: bool, _user_data: object) -> bool:
            try:
                return observer(node, is_asking)
            except BaseException as error:  # noqa: BLE001  (raised again behind llama_decode)
                self._failure = self._failure or error
                return False

        return self._lib.ggml_backend_sched_eval_callback(call)

    def _create_context(self, log: NativeLog, threads: int) -> Any:
        is_tiny = self._lib.llama_model_n_params(self._model) < TINY_PARAMS
        params = self._lib.llama_context_default_params()
        params.n_ctx = self.context
        params.n_batch = params.n_ubatch = self._step
        params.n_threads = params.n_threads_batch = threads or (1 if is_tiny else usable_threads())
        if self._callback is not None:
            params.cb_eval = self._callback
        log.errors.clear()
        context = self._lib.llama_init_from_model(self._model, params)
        if not context:
            raise EngineLoadError(
                f"llama.cpp cannot make a context of {self.context} tokens: {log.reason()}.",
                "Choose a smaller context.",
            )
        return context


@contextlib.contextmanager
def open_model(
    path: Path,
    context: int = DEFAULT_CONTEXT,
    threads: int = 0,
    *,
    observer: Observer | None = None,
) -> Iterator[Model]:
    """Load a GGUF file for as long as the `with` lasts.

    Args:
        context: tokens that `logits` and `stream` take at most.
        threads: 0 = as many as are good for a model of its size.
        observer: sees the nodes of the graph; it says of each whether it wants to be called again
            when that node is computed. What it raises is raised by `logits` and `stream`.

    Raises:
        EngineLoadError: llama.cpp refuses the file, or it is no model that writes text.
    """
    from llama_cpp import llama_cpp as lib

    os.environ.setdefault("GGML_NO_BACKTRACE", "1")  # an abort must not fork a debugger
    with contextlib.ExitStack() as stack:
        log = NativeLog(lib)
        stack.callback(log.close)
        lib.llama_backend_init()
        native = lib.llama_model_load_from_file(os.fsencode(path), lib.llama_model_default_params())
        if not native:
            raise EngineLoadError(
                f"llama.cpp cannot load {Path(path).name}: {log.reason()}.",
                "Is the file complete? Compare its size and sha256 with the place it came from.",
            )
        stack.callback(lib.llama_model_free, native)
        if lib.llama_model_has_encoder(native):
            raise EngineLoadError(f"{Path(path).name} has an encoder: it has no next token.")
        model = Model(lib, log, native, context, threads, observer)
        stack.callback(model.close)
        yield model


def step_tokens(num_vocab: int, context: int) -> int:
    """Tokens that are computed at a time: a batch's worth, unless their logits take too much."""
    affordable = _LOGITS_BYTES // (4 * num_vocab)
    return min(context, max(_LEAST_STEP, min(_MOST_STEP, affordable)))


def steps(count: int, most: int) -> Iterator[tuple[int, int]]:
    """(begin, end) of parts of like size that are no larger than `most`: a short last one would be
    computed by other kernels, and seen by no importance matrix."""
    num_steps = -(-count // most)
    for index in range(num_steps):
        yield count * index // num_steps, count * (index + 1) // num_steps
