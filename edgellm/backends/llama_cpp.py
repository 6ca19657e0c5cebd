"""llama.cpp through the low-level API of llama-cpp-python: models in GGUF, on CPUs and GPUs.

One context with one unified KV cache serves every slot; a slot is a llama.cpp sequence id. The
package's high-level `Llama` class is not used: it holds a single sequence and copies all logits.
Run as a module, it prints what this build can do as one line of JSON (for `edgellm doctor`).
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edgellm.backends.base import (
    EmbedLimits,
    Limits,
    OutOfMemory,
    ProgressCallback,
    Sampled,
    State,
    TextEnds,
    Vocabulary,
    Work,
)
from edgellm.backends.grammar import Grammars, llama_tokenizer
from edgellm.backends.llama_embed import (
    POOLINGS,
    SOFTMAX_ARCHITECTURES,
    LlamaEmbedder,
    text_ends,
)
from edgellm.backends.llama_limits import (
    can_cut,
    capabilities,
    choose_embed_limits,
    choose_limits,
)
from edgellm.backends.llama_log import NativeLog
from edgellm.backends.llama_sampler import SamplerChain
from edgellm.backends.threads import usable_threads
from edgellm.errors import EngineError, EngineLoadError
from edgellm.protocol import ModelInfo
from edgellm.types import (
    Constraint,
    EngineOptions,
    FlashAttention,
    KVType,
    Sampling,
    TokenLogprob,
)

TINY_PARAMS = 50_000_000  # below, threads wait for each other longer than they compute
GGML_TYPES: dict[KVType, int] = {
    "f32": 0,
    "f16": 1,
    "q4_0": 2,
    "q4_1": 3,
    "q5_0": 6,
    "q5_1": 7,
    "q8_0": 8,
    "iq4_nl": 20,
    "bf16": 30,
}
FLASH_ATTENTION: dict[FlashAttention, int] = {"auto": -1, "off": 0, "on": 1}
_DECODE_FAILURES = {1: "no room in the KV cache", 2: "aborted", -1: "invalid batch"}


class LlamaCppBackend:
    """A loaded model with its context (`TokenBackend`)."""

    def __init__(self, lib: Any, log: NativeLog, model: Any, options: EngineOptions) -> None:
        self._lib = lib
        self._log = log
        self._model = model
        self._vocab = lib.llama_model_get_vocab(model)
        self._num_vocab: int = lib.llama_vocab_n_tokens(self._vocab)
        self._pieces: dict[int, bytes] = {}
        self._samplers: dict[int, SamplerChain] = {}
        self._options = options
        self._limits = self._choose_limits(options)
        self._architecture = self._metadata("general.architecture") or ""
        self._is_causal = self._metadata(f"{self._architecture}.attention.causal") != "false"
        self._pooling = int(self._metadata(f"{self._architecture}.pooling_type") or 0)
        self._capabilities = capabilities(self._pooling, is_causal=self._is_causal)
        self._embed_limits = self._choose_embed_limits(options)
        self._embedder: LlamaEmbedder | None = None
        self._context: Any = None
        if self.can_write:
            self._context = self._create_context(options)
            self._memory = lib.llama_get_memory(self._context)
        else:  # all that it is for, so what is wrong with it shows now
            self.embedder()
        batch_tokens = self._limits.batch_tokens
        self._batch = lib.llama_batch_init(batch_tokens, 0, 1)
        self._token_view = np.ctypeslib.as_array(self._batch.token, (batch_tokens,))
        self._pos_view = np.ctypeslib.as_array(self._batch.pos, (batch_tokens,))
        self._logits_view = np.ctypeslib.as_array(self._batch.logits, (batch_tokens,))
        self._end_tokens = [t for t in range(self._num_vocab) if self.is_end(t)]
        self._info = self._describe()
        self._grammars = Grammars(
            lambda: llama_tokenizer(lib, self._vocab, self._end_tokens),
            self._num_vocab,
            self._end_tokens,
            lambda token: self._read_piece(token, with_control=True),
        )

    @classmethod
    def load(
        cls, path: str, options: EngineOptions, on_progress: ProgressCallback
    ) -> LlamaCppBackend:
        """Load a GGUF file.

        Raises:
            EngineLoadError: llama.cpp refuses the file, or there is too little memory.
        """
        os.environ.setdefault("GGML_NO_BACKTRACE", "1")  # an abort must not fork a debugger
        lib = _import_library()
        log = NativeLog(lib)
        try:
            model = cls._load_model(lib, log, path, on_progress, options)
            _check_kind(lib, model, path)
            return cls(lib, log, model, options)
        except BaseException:
            log.close()
            raise

    @staticmethod
    def _load_model(
        lib: Any, log: NativeLog, path: str, on_progress: ProgressCallback, options: EngineOptions
    ) -> Any:
        lib.llama_backend_init()
        params = lib.llama_model_default_params()

        def report(fraction: float, _user_data: object) -> bool:
            on_progress(fraction)
            return True

        params.progress_callback = lib.llama_progress_callback(report)
        params.use_extra_bufts = options.repack
        if options.gpu_layers >= 0:
            params.n_gpu_layers = options.gpu_layers
        model = lib.llama_model_load_from_file(os.fsencode(path), params)
        if not model:
            raise EngineLoadError(
                f"llama.cpp cannot load {Path(path).name}: {log.reason()}.",
                "Is the file complete? Compare its size and sha256 with the place it came from.",
            )
        return model

    @property
    def can_write(self) -> bool:
        return "completion" in self._capabilities

    @property
    def model(self) -> ModelInfo:
        return self._info

    @property
    def limits(self) -> Limits:
        return self._limits

    # -- tokens ---------------------------------------------------------------------------------

    def tokenize(self, text: str, *, is_first: bool, parse_special: bool = True) -> list[int]:
        data = text.encode("utf-8", "replace")
        capacity = len(data) + 2
        while True:
            buffer = (ctypes.c_int32 * capacity)()
            count = self._lib.llama_tokenize(
                self._vocab, data, len(data), buffer, capacity, is_first, parse_special
            )
            if count >= 0:
                return self._without_double_start(buffer[:count])
            capacity = -count

    def _without_double_start(self, tokens: list[int]) -> list[int]:
        """A template that writes the start token itself must not get a second one."""
        start = self._lib.llama_vocab_bos(self._vocab)
        return tokens[1:] if tokens[:2] == [start, start] else tokens

    def vocabulary(self) -> Vocabulary:
        lib, vocab = self._lib, self._vocab
        return Vocabulary(
            kind=lib.llama_vocab_type(vocab),
            start=lib.llama_vocab_bos(vocab) if lib.llama_vocab_get_add_bos(vocab) else None,
            end=lib.llama_vocab_eos(vocab) if lib.llama_vocab_get_add_eos(vocab) else None,
            texts=tuple(
                lib.llama_vocab_get_text(vocab, token) or b"" for token in range(self._num_vocab)
            ),
        )

    def max_bytes_per_token(self) -> int | None:
        if self._lib.llama_vocab_type(self._vocab) not in (
            self._lib.LLAMA_VOCAB_TYPE_SPM,
            self._lib.LLAMA_VOCAB_TYPE_BPE,
        ):
            return None  # the others may drop white space
        return max(
            len(self._lib.llama_vocab_get_text(self._vocab, token) or b"")
            for token in range(self._num_vocab)
        )

    def token_bytes(self, token: int) -> bytes:
        piece = self._pieces.get(token)
        if piece is None:
            piece = self._pieces[token] = self._read_piece(token, with_control=False)
        return piece

    def shown_bytes(self, token: int) -> bytes:
        return self._read_piece(token, with_control=True)

    def _read_piece(self, token: int, *, with_control: bool) -> bytes:
        capacity = 64
        while True:
            buffer = ctypes.create_string_buffer(capacity)
            size = self._lib.llama_token_to_piece(
                self._vocab, token, buffer, capacity, 0, with_control
            )
            if size >= 0:
                return buffer.raw[:size]
            capacity = -size

    def is_end(self, token: int) -> bool:
        return bool(self._lib.llama_vocab_is_eog(self._vocab, token))

    # -- work -----------------------------------------------------------------------------------

    def prepare(self, constraint: Constraint) -> None:
        self._grammars.prepare(constraint)

    def add_sampler(
        self,
        sampler: int,
        sampling: Sampling,
        prompt: Sequence[int],
        generated: Sequence[int] = (),
        constraint: Constraint | None = None,
    ) -> None:
        chain = SamplerChain(
            self._lib,
            self._vocab,
            self._limits.context,
            sampling,
            prompt,
            self._end_tokens,
            self._grammars.guide(constraint) if constraint is not None else None,
        )
        chain.replay(generated)
        self._samplers[sampler] = chain

    def remove_sampler(self, sampler: int) -> None:
        self._samplers.pop(sampler).close()

    def forced(self, sampler: int) -> list[int]:
        return self._samplers[sampler].forced()

    def step(self, work: Sequence[Work]) -> list[list[Sampled]]:
        outputs = self._fill_batch(work)
        status = self._lib.llama_decode(self._context, self._batch)
        if status == 1:
            raise OutOfMemory
        if status != 0:
            reason = _DECODE_FAILURES.get(status, "the computation failed")
            raise EngineError(f"llama_decode returned {status}: {reason}.")
        return [
            list(self._sample(item, output)) for item, output in zip(work, outputs, strict=True)
        ]

    def _fill_batch(self, work: Sequence[Work]) -> list[int]:
        """Write the batch; gives the index of each Work's first output in it."""
        end, outputs, batch = 0, [], self._batch
        for item in work:
            begin, end = end, end + len(item.tokens)
            output = end - 1 - item.num_guessed
            self._token_view[begin:end] = item.tokens
            self._pos_view[begin:end] = range(item.start, item.start + len(item.tokens))
            self._logits_view[begin:end] = 0
            self._logits_view[output:end] = item.sampler is not None
            for index in range(begin, end):
                batch.n_seq_id[index] = 1
                batch.seq_id[index][0] = item.slot
            outputs.append(output)
        batch.n_tokens = end
        return outputs

    def _sample(self, item: Work, output: int) -> Iterator[Sampled]:
        """Sample until a guess is wrong, or there is none left."""
        if item.sampler is None:
            return
        sampler = self._samplers[item.sampler]
        guesses = item.tokens[len(item.tokens) - item.num_guessed :]
        for index, guess in enumerate((*guesses, None), output):
            token = sampler.sample(self._context, index)
            wants_logprob = sampler.top_logprobs is not None
            yield Sampled(
                token,
                self._logprob(index, token, sampler.top_logprobs or 0) if wants_logprob else None,
                sampler.failure,
            )
            if token != guess or sampler.failure:
                return

    def _logprob(self, output: int, token: int, num_top: int) -> TokenLogprob:
        """Log-softmax of the raw logits, shape (vocab,).

        In float32: float64 takes 1.2 ms instead of 0.1 for 152,000 tokens, and a draft model pays
        that for each token.
        """
        pointer = self._lib.llama_get_logits_ith(self._context, output)
        logits = np.ctypeslib.as_array(pointer, (self._num_vocab,))
        peak = logits.max()
        total = float(peak) + float(np.log(np.exp(logits - peak).sum(dtype=np.float64)))
        top = np.argpartition(-logits, num_top)[:num_top] if num_top else np.empty(0, np.int64)
        best = top[np.argsort(-logits[top], kind="stable")]
        return TokenLogprob(
            self._read_piece(token, with_control=True),
            float(logits[token]) - total,
            tuple(
                (self._read_piece(int(t), with_control=True), float(logits[t]) - total)
                for t in best
            ),
        )

    def share(self, source: int, target: int, begin: int, end: int) -> None:
        self._lib.llama_memory_seq_cp(self._memory, source, target, begin, end)

    def truncate(self, slot: int, length: int) -> None:
        self._lib.llama_memory_seq_rm(self._memory, slot, length, -1)

    def forget(self, slot: int) -> None:
        self._lib.llama_memory_seq_rm(self._memory, slot, -1, -1)

    def state_key(self) -> str:
        # The library checks the types of K and V and the layout itself, the cells it does not.
        limits = self._limits
        kind = "whole" if limits.can_cut else "checkpoints"
        return f"{self._info.engine} {limits.num_cells} {limits.num_slots} {kind}"

    def state_bytes(self, slot: int) -> int:
        return int(self._lib.llama_state_seq_get_size(self._context, slot))

    def get_state(self, slot: int) -> State:
        size = self.state_bytes(slot)
        state = np.empty(size, np.uint8)  # not zeroed first: it may be 100 MB
        written = self._lib.llama_state_seq_get_data(self._context, _address(state), size, slot)
        return state[:written].data

    def set_state(self, slot: int, state: State) -> bool:
        buffer = _address(np.frombuffer(state, np.uint8))
        if self._lib.llama_state_seq_set_data(self._context, buffer, len(state), slot):
            return True
        self.forget(slot)  # a part of it may be there
        return False

    @property
    def embed_limits(self) -> EmbedLimits:
        return self._embed_limits

    @property
    def text_ends(self) -> TextEnds:
        return text_ends(self._lib, self._vocab, self._model)

    def embedder(self) -> LlamaEmbedder:
        if self._embedder is None:
            self._embedder = LlamaEmbedder(
                self._lib,
                self._model,
                self._embed_limits,
                self._context_params(self._options),
                is_ranker="rerank" in self._capabilities,
                has_probabilities=self._architecture in SOFTMAX_ARCHITECTURES,
            )
        return self._embedder

    @property
    def threads(self) -> tuple[int, int]:
        lib = self._lib
        if self._context is None:
            params = self._context_params(self._options)
            return params.n_threads, params.n_threads_batch
        return lib.llama_n_threads(self._context), lib.llama_n_threads_batch(self._context)

    def set_threads(self, threads: int, threads_batch: int) -> None:
        if self._context is not None:
            self._lib.llama_set_n_threads(self._context, threads, threads_batch)

    def close(self) -> None:
        for sampler in list(self._samplers):
            self.remove_sampler(sampler)
        self._lib.llama_batch_free(self._batch)
        if self._embedder is not None:
            self._embedder.close()
        if self._context is not None:
            self._lib.llama_free(self._context)
        self._lib.llama_model_free(self._model)
        self._log.close()

    # -- loading --------------------------------------------------------------------------------

    def _choose_limits(self, options: EngineOptions) -> Limits:
        lib, model = self._lib, self._model
        is_recurrent = lib.llama_model_is_recurrent(model) or lib.llama_model_is_hybrid(model)
        has_window = lib.llama_model_n_swa(model) > 0
        return choose_limits(
            options,
            lib.llama_model_n_ctx_train(model),
            can_cut=can_cut(options, is_recurrent=is_recurrent, has_window=has_window),
            most_slots=lib.llama_max_parallel_sequences(),
        )

    def _choose_embed_limits(self, options: EngineOptions) -> EmbedLimits:
        lib, model = self._lib, self._model
        return choose_embed_limits(
            options,
            lib.llama_model_n_ctx_train(model),
            self._num_vocab,
            POOLINGS.get(self._pooling, "mean"),
            is_causal=self._is_causal,
            is_chat=self.can_write,
            is_recurrent=lib.llama_model_is_recurrent(model) or lib.llama_model_is_hybrid(model),
        )

    def _context_params(self, options: EngineOptions) -> Any:
        """What all contexts of this model have in common."""
        is_tiny = self._lib.llama_model_n_params(self._model) < TINY_PARAMS
        threads = options.threads or (1 if is_tiny else usable_threads())
        params = self._lib.llama_context_default_params()
        params.n_threads = threads
        params.n_threads_batch = options.threads_batch or threads
        params.type_k = params.type_v = GGML_TYPES[options.kv_type]
        params.flash_attn_type = FLASH_ATTENTION[options.flash_attention]
        return params

    def _create_context(self, options: EngineOptions) -> Any:
        params = self._context_params(options)
        params.n_ctx = self._limits.num_cells
        params.n_batch = params.n_ubatch = self._limits.batch_tokens
        params.n_seq_max = self._limits.num_slots
        params.n_outputs_max = self._limits.outputs  # or a whole batch's logits are reserved
        params.kv_unified = True
        params.swa_full = options.swa_cache == "full"
        self._log.errors.clear()
        context = self._lib.llama_init_from_model(self._model, params)
        if not context:
            raise EngineLoadError(
                f"llama.cpp cannot make a context of {self._limits.context} tokens for "
                f"{options.parallel} sequences: {self._log.reason()}.",
                "Choose a smaller --context or --parallel, or another --kv-type.",
            )
        return context

    def _describe(self) -> ModelInfo:
        lib, model = self._lib, self._model
        description = ctypes.create_string_buffer(256)
        lib.llama_model_desc(model, description, len(description))
        template = lib.llama_model_chat_template(model, None)
        control_tokens = self._control_texts()
        return ModelInfo(
            name=self._metadata("general.name") or "",
            description=description.value.decode("utf-8", "replace"),
            architecture=self._architecture,
            num_params=lib.llama_model_n_params(model),
            size_bytes=lib.llama_model_size(model),
            num_layers=lib.llama_model_n_layer(model),
            context=self._limits.context if self.can_write else self._embed_limits.context,
            trained_context=lib.llama_model_n_ctx_train(model),
            parallel=self._limits.parallel,
            vocab_size=self._num_vocab,
            chat_template=template.decode("utf-8", "replace") if template else None,
            bos_token=self._control_text(lib.llama_vocab_bos(self._vocab)),
            eos_token=self._control_text(lib.llama_vocab_eos(self._vocab)),
            control_tokens=control_tokens,
            sampling=self._own_sampling(),
            engine=f"llama.cpp {lib.llama_version().decode()}",
            gpu_layers=self._log.gpu_layers,
            capabilities=self._capabilities,
            embedding_width=lib.llama_model_n_embd_out(model),
            buffer_bytes=self._log.buffer_bytes,
            fim_prefix=self._infill_token(lib.llama_vocab_fim_pre, "[PREFIX]", control_tokens),
            fim_suffix=self._infill_token(lib.llama_vocab_fim_suf, "[SUFFIX]", control_tokens),
            fim_middle=self._infill_token(lib.llama_vocab_fim_mid),
        )

    def _infill_token(
        self, find: Any, mistral: str = "", known: tuple[str, ...] = ()
    ) -> int | None:
        """A token around a gap: what llama.cpp knows, or Mistral's, which it does not look for."""
        token: int = find(self._vocab)
        if token < 0 and mistral in known:
            (token,) = self.tokenize(mistral, is_first=False)
        return token if token >= 0 else None

    def _control_text(self, token: int) -> str:
        """The token's text as a template writes it; empty for no token (-1)."""
        if token < 0:
            return ""
        text: bytes = self._lib.llama_vocab_get_text(self._vocab, token)
        return text.decode("utf-8", "replace")

    def _control_texts(self) -> tuple[str, ...]:
        special = self._lib.LLAMA_TOKEN_ATTR_CONTROL | self._lib.LLAMA_TOKEN_ATTR_UNKNOWN
        return tuple(
            text
            for token in range(self._num_vocab)
            if self._lib.llama_vocab_get_attr(self._vocab, token) & special
            and (text := self._control_text(token))
        )

    def _metadata(self, key: str) -> str | None:
        buffer = ctypes.create_string_buffer(512)
        size = self._lib.llama_model_meta_val_str(self._model, key.encode(), buffer, len(buffer))
        return buffer.value.decode("utf-8", "replace") if size >= 0 else None

    def _own_sampling(self) -> Sampling:
        """What the file recommends, in GGUF's keys `general.sampling.*`; the rest stays None."""

        def number(key: str) -> float | None:
            text = self._metadata(f"general.sampling.{key}")
            return float(text) if text is not None else None

        top_k = number("top_k")
        return Sampling(
            temperature=number("temp"),
            top_p=number("top_p"),
            top_k=int(top_k) if top_k is not None else None,
            min_p=number("min_p"),
            repeat_penalty=number("penalty_repeat"),
        )


def _check_kind(lib: Any, model: Any, path: str) -> None:
    """Refuse what loads, but is neither for text nor for embeddings."""
    if lib.llama_model_has_encoder(model) or lib.llama_model_is_diffusion(model):
        lib.llama_model_free(model)
        raise EngineLoadError(
            f"{Path(path).name} is a model that edgellm cannot serve: an encoder with a decoder of "
            "its own, or one that writes by diffusion.",
            "Choose a model that is made for chat, completion or embeddings.",
        )


def _address(array: np.ndarray[Any, np.dtype[np.uint8]]) -> Any:
    """For the library; the array must outlive the call."""
    return array.ctypes.data_as(ctypes.POINTER(ctypes.c_uint8))


def _import_library() -> Any:
    try:
        from llama_cpp import llama_cpp as lib
    except (ImportError, OSError, RuntimeError) as error:
        raise EngineLoadError(
            f"The llama.cpp runtime cannot be imported: {error}",
            "Install it with: pip install llama-cpp-python (needs a C++ compiler).",
        ) from error
    return lib


def describe_build() -> dict[str, Any]:
    """Versions and CPU features of the installed llama.cpp, for `edgellm doctor`."""
    from importlib.metadata import version

    lib = _import_library()
    return {
        "binding_version": version("llama-cpp-python"),
        "version": lib.llama_version().decode(),
        "system_info": lib.llama_print_system_info().decode().strip(),
        "supports_gpu_offload": bool(lib.llama_supports_gpu_offload()),
        "supports_mmap": bool(lib.llama_supports_mmap()),
        "supports_mlock": bool(lib.llama_supports_mlock()),
    }


if __name__ == "__main__":
    import json

    sys.stdout.write(json.dumps(describe_build()) + "\n")
