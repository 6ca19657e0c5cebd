"""What an answer must match, compiled with llguidance for one model's vocabulary.

llguidance says which tokens may come next, in microseconds for any vocabulary. The tokenizer that
it needs is made when the first constraint comes (0.5 s and 60 MB for 150,000 tokens), so nobody
pays who does not use it. Knows no logits and no samplers.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from edgellm.backends.base import BadConstraint
from edgellm.backends.candidates import Candidates, Mask
from edgellm.json_schema import compiler_options, find_culprit
from edgellm.types import Constraint

MAX_TEXT_CHARS = 256 * 1024  # of a schema or grammar; 100,000 take 50 ms to compile
MAX_LEXER_STATES = 25_000  # of one grammar, about 2 kB each
NUM_KEPT = 32  # compiled constraints


class Grammars:
    """Compiles constraints and remembers the newest. Thread-safe."""

    def __init__(
        self,
        make_tokenizer: Callable[[], Any],
        num_vocab: int,
        end_tokens: Iterable[int],
        token_text: Callable[[int], bytes],
    ) -> None:
        """Make one without compiling anything.

        Args:
            make_tokenizer: gives the model's vocabulary as llguidance's `LLTokenizer`.
            token_text: a token's text, also of a control token.
        """
        self._make_tokenizer = make_tokenizer
        self._tokenizer: Any = None
        self._num_vocab = num_vocab
        self._end_tokens = np.array(sorted(end_tokens), np.int32)
        self._token_text = token_text
        self._candidates: Candidates | None = None
        self._compiled: OrderedDict[tuple[str, str], Any] = OrderedDict()
        self._lock = threading.Lock()

    def prepare(self, constraint: Constraint) -> None:
        """Compile, and remember the result, be it a mistake."""
        self._find(constraint)

    def guide(self, constraint: Constraint) -> Guide:
        """A guide at the answer's beginning. Raises BadConstraint."""
        matcher = self._find(constraint)
        if isinstance(matcher, BadConstraint):
            raise BadConstraint(str(matcher), matcher.path)
        if self._candidates is None:
            self._candidates = Candidates(self._num_vocab)
        return Guide(
            matcher.deep_copy(),
            self._candidates,
            self._end_tokens,
            self._token_text,
            constraint.after,
        )

    def _find(self, constraint: Constraint) -> Any:
        """An `LLMatcher` that has seen nothing yet, or a BadConstraint."""
        key = (constraint.kind, constraint.text)
        with self._lock:
            if key not in self._compiled:
                self._compiled[key] = self._compile(constraint)
            self._compiled.move_to_end(key)
            if len(self._compiled) > NUM_KEPT:
                self._compiled.popitem(last=False)
            return self._compiled[key]

    def _compile(self, constraint: Constraint) -> Any:
        if len(constraint.text) > MAX_TEXT_CHARS:
            return BadConstraint(
                f"It has {len(constraint.text)} characters, more than {MAX_TEXT_CHARS}."
            )
        try:
            source = to_source(constraint)
            if self._tokenizer is None:
                self._tokenizer = self._make_tokenizer()
            return _new_matcher(self._tokenizer, source)
        except (BadConstraint, ValueError) as error:
            if constraint.kind != "json_schema":
                return BadConstraint(str(error))
            path = find_culprit(constraint.text, check_schema)
            return BadConstraint(str(error), path)


class Guide:
    """Where one answer stands in its grammar."""

    def __init__(
        self,
        matcher: Any,
        candidates: Candidates,
        end_tokens: Any,
        token_text: Callable[[int], bytes],
        after: str = "",
    ) -> None:
        """`candidates`: a buffer, shared with others."""
        self.candidates = candidates
        self.failure = ""  # why nothing can come next, where that is not the answer's end
        self._matcher = matcher
        self._end_tokens = end_tokens
        self._ends = frozenset(end_tokens.tolist())
        self._token_text = token_text
        self._after = after.encode()  # empty once it was written
        self._tail = b""
        self._num_vocab = len(candidates.entries)
        self._bits = np.zeros((self._num_vocab + 31) // 32, np.int32)
        self._address = self._bits.ctypes.data

    def allowed(self) -> Mask:
        """The tokens that may come next: at least one. The end tokens alone once all is said, or
        after a `failure`."""
        if self._after or self._matcher.is_stopped():
            mask = np.full(self._num_vocab, bool(self._after))
            mask[self._end_tokens] = not self._after
            return mask
        self._matcher.unsafe_compute_mask_ptr(self._address, self._bits.nbytes)
        self._note_error()
        bits = np.unpackbits(self._bits.view(np.uint8), count=self._num_vocab, bitorder="little")
        return bits.view(np.bool_)

    def only_choice(self, allowed: Mask) -> int | None:
        """The token that must come, if nothing else can, or nothing but the end."""
        count = np.count_nonzero(allowed)
        if count == 1 or count == np.count_nonzero(allowed[self._end_tokens]):
            return int(np.argmax(allowed))
        return None

    def forced(self) -> list[int]:
        """The next tokens, where only one text can follow: those that usually spell it. They
        depend on nothing but the answer so far."""
        if self._after or self._matcher.is_stopped():
            return []
        forced: list[int] = self._matcher.compute_ff_tokens()
        return forced

    def take(self, token: int) -> bool:
        """Whether that token may come; then it has come. Much cheaper than `allowed`."""
        if self._after:
            may_come = token not in self._ends
            if may_come:
                self._wait(token)
            return may_come
        may_come = bool(self._matcher.try_consume_tokens([token]))
        self._note_error()
        return may_come

    def accept(self, token: int) -> None:
        """That token came. What comes after the end is not looked at."""
        if self._after:
            self._wait(token)
        elif not self._matcher.is_stopped():
            self._matcher.consume_token(token)
            self._note_error()

    def _wait(self, token: int) -> None:
        """See whether the text has come that the constraint waits for."""
        self._tail += self._token_text(token)
        if self._after in self._tail:
            self._after = self._tail = b""
        else:
            self._tail = self._tail[-len(self._after) :]

    def _note_error(self) -> None:
        if not self.failure and self._matcher.is_error():
            self.failure = _first_line(self._matcher.get_error())


def to_source(constraint: Constraint) -> str:
    """The constraint in llguidance's own format. Raises BadConstraint."""
    from llguidance import LLMatcher
    from llguidance.gbnf_to_lark import GbnfToLarkError, any_to_lark

    text = constraint.text
    source: str
    match constraint.kind:
        case "json_schema":
            source = LLMatcher.grammar_from_json_schema(text, overrides=compiler_options(text))
        case "regex":
            source = LLMatcher.grammar_from_regex(text)
        case "grammar":
            try:
                source = LLMatcher.grammar_from_lark(any_to_lark(text))
            except (GbnfToLarkError, RecursionError) as error:
                raise BadConstraint(str(error) or "It is nested too deeply.") from None
    return source


def check_schema(text: str) -> str:
    """Why a JSON Schema cannot be compiled, whatever the vocabulary; empty if it can be."""
    from llguidance import LLMatcher

    source = to_source(Constraint("json_schema", text))
    is_bad, messages = LLMatcher.validate_grammar_with_warnings(source)
    return messages[0] if is_bad else ""


def _new_matcher(tokenizer: Any, source: str) -> Any:
    from llguidance import LLMatcher, LLParserLimits

    limits = LLParserLimits(max_lexer_states=MAX_LEXER_STATES, verbose_errors=False)
    matcher = LLMatcher(tokenizer, source, log_level=0, limits=limits)
    if not matcher.is_error():
        matcher.compute_bitmask()  # which finds out where there is no way to begin
    if matcher.is_error():
        raise BadConstraint(_first_line(matcher.get_error()))
    return matcher


def _first_line(error: str) -> str:
    """What the compiler says, without its inner state and its own options."""
    text = error.split("\n<")[0].partition(" Enable 'coerce_one_of'")[0]
    return text.strip()[:500]


def llama_tokenizer(lib: Any, vocab: Any, end_tokens: list[int]) -> Any:
    """llguidance's tokenizer for a llama.cpp vocabulary.

    A control token's text begins with the byte 0xff, so no answer contains it. Tokens that a
    model's author has added, such as `<tool_call>`, are ordinary text.
    """
    import ctypes

    from llguidance import LLTokenizer

    special = lib.LLAMA_TOKEN_ATTR_CONTROL | lib.LLAMA_TOKEN_ATTR_UNKNOWN
    max_bytes = 64
    buffer = ctypes.create_string_buffer(max_bytes)
    texts: list[bytes] = []
    for token in range(lib.llama_vocab_n_tokens(vocab)):
        if lib.llama_vocab_get_attr(vocab, token) & special:
            texts.append(b"\xff" + lib.llama_vocab_get_text(vocab, token))
            continue
        size = lib.llama_token_to_piece(vocab, token, buffer, max_bytes, 0, False)
        if size < 0:  # the buffer is too small
            max_bytes = -size
            buffer = ctypes.create_string_buffer(max_bytes)
            size = lib.llama_token_to_piece(vocab, token, buffer, max_bytes, 0, False)
        texts.append(buffer.raw[:size])
    function = ctypes.cast(lib._lib.llama_tokenize, ctypes.c_void_p).value
    return LLTokenizer.from_llamacpp(
        tokens=texts, vocab_ptr=vocab, tokenize_fptr=function, eos_token=end_tokens, slices=None
    )
