"""Random weights that behave: logits are finite, greedy text varies, and repeats are continued.

All layers but the first two are noise, scaled so that they choose the next token. The first two
hold the one circuit that a bench of speculation needs, an induction head: layer 0 notes at each
position what token came before, layer 1 looks for the place where the newest token came up and
adds what followed it. So a text that the prompt holds is copied, and other text is not. What every
matrix costs is what it costs in a trained model.

The residual stream: a constant; a marker of structural tokens (bytes and control tokens: attention
rests on them where nothing matches, and they are not copied); the note of the token before; the
token's own code, which notes repeat; and the words' directions, the only ones that layers of noise
write to. A second head of layer 1 adds the token's code to the note, and writes it large, so that
the noise depends on the tokens and not on itself alone.
Source of the circuit: Olsson et al., "In-context Learning and Induction Heads" (2022).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from benches._shapes import Shape
from benches._tokenizer import Vocabulary

Array: TypeAlias = npt.NDArray[np.float32]

CONSTANT, MARKER, NOTE = 0, 1, 2  # dimensions of the residual stream; NOTE is the first of many
NUM_STRUCTURAL_DIMS = 16  # of a code, behind those of words
NOISE = 4.0  # of a logit, against 1 for the newest token itself
COPY_GAIN = 160.0
PREVIOUS_SCORE, MATCH_SCORE, NOISE_SCORE = 80.0, 150.0, 3.0  # attention logits where they peak
SPELLED = 0.8  # the size of the prompts' own words: too small to be written without being copied
SINK = 0.75  # of an exact match: what attention to a structural token scores
NUM_FAST_PAIRS = 10  # of RoPE: enough to tell one step back from all other distances
SLOW_ANGLE = 6e-4  # radians for each position: pairs below see no distance within a prompt
_CHUNK_ROWS = 16384


class Tensor(NamedTuple):
    """`make` gives float32 rows, all together of `shape`."""

    name: str
    shape: tuple[int, ...]
    make: Callable[[], Iterator[Array]]


class Weights:
    """All tensors of a model, one at a time. The same seed gives the same model."""

    def __init__(self, shape: Shape, vocabulary: Vocabulary, seed: int) -> None:
        self._shape = shape
        self._vocabulary = vocabulary
        self._seed = seed
        angles = shape.rope_base ** -(np.arange(shape.head_dim // 2) / (shape.head_dim // 2))
        self._angles = angles.astype(np.float64)
        slow = [int(pair) for pair in np.flatnonzero(angles < SLOW_ANGLE)]
        *match, sink = [place for pair in slow for place in self._places(pair)]
        self._match, self._sink, self._rest = match[:-1], sink, match[-1]
        self._num_code = len(self._match) + NUM_STRUCTURAL_DIMS
        self._code = NOTE + self._num_code  # the first dimension of the codes
        self._words = self._code + self._num_code
        self._num_word_dims = shape.width - self._words
        self._group = shape.heads // shape.kv_heads  # query heads of one key
        self._echo_gain = 0.7 * NOISE * self._num_word_dims**0.5

    def tensors(self) -> Iterator[Tensor]:
        """In the order of the file."""
        width = self._shape.width
        yield Tensor("token_embd.weight", (self._shape.vocab, width), self._embedding)
        yield self._whole("output_norm.weight", np.ones(width, np.float32))
        for layer in range(self._shape.layers):
            yield from self._layer(layer)

    # -- embedding ------------------------------------------------------------------------------

    def _embedding(self) -> Iterator[Array]:
        for begin in range(0, self._shape.vocab, _CHUNK_ROWS):
            count = min(_CHUNK_ROWS, self._shape.vocab - begin)
            rows = self._word_rows(begin, count)
            spelled = rows[: max(0, self._vocabulary.num_spelled - begin)]
            spelled[:, self._words :] *= SPELLED
            spelled[:, self._words - 1] = (1 - SPELLED**2) ** 0.5  # all embeddings are as long
            structural = min(count, max(0, self._vocabulary.num_structural - begin))
            rows[:structural] = self._structural_rows(structural)
            yield rows

    def _word_rows(self, begin: int, count: int) -> Array:
        num_match = len(self._match)
        end = self._code + num_match
        rows = np.zeros((count, self._shape.width), np.float32)
        rows[:, CONSTANT] = 1
        rows[:, self._code : end] = _unit(self._random(f"code {begin}", count, num_match))
        rows[:, self._words :] = _unit(self._random(f"word {begin}", count, self._num_word_dims))
        return rows

    def _structural_rows(self, count: int) -> Array:
        rows = np.zeros((count, self._shape.width), np.float32)
        rows[:, [CONSTANT, MARKER]] = 1
        content = _unit(self._random("structural", count, NUM_STRUCTURAL_DIMS))
        rows[:, self._words - NUM_STRUCTURAL_DIMS : self._words] = content
        return rows

    # -- layers ---------------------------------------------------------------------------------

    def _layer(self, layer: int) -> Iterator[Tensor]:
        shape, block = self._shape, f"blk.{layer}."
        queries, keys = shape.heads * shape.head_dim, shape.kv_heads * shape.head_dim
        yield self._whole(block + "attn_norm.weight", np.ones(shape.width, np.float32))
        yield Tensor(block + "attn_q.weight", (queries, shape.width), self._one(self._q, layer))
        yield Tensor(block + "attn_k.weight", (keys, shape.width), self._one(self._k, layer))
        if shape.has_qk_norm:
            norm = np.full(shape.head_dim, self._norm_gain(layer), np.float32)
            yield self._whole(block + "attn_q_norm.weight", norm)
            yield self._whole(block + "attn_k_norm.weight", norm)
        yield Tensor(block + "attn_v.weight", (keys, shape.width), self._one(self._v, layer))
        yield Tensor(
            block + "attn_output.weight", (shape.width, queries), self._one(self._o, layer)
        )
        yield self._whole(block + "ffn_norm.weight", np.ones(shape.width, np.float32))
        for name in ("gate", "up"):
            make = self._one(self._ffn_in, layer, name)
            yield Tensor(f"{block}ffn_{name}.weight", (shape.ffn, shape.width), make)
        make = self._one(self._ffn_down, layer)
        yield Tensor(block + "ffn_down.weight", (shape.width, shape.ffn), make)

    def _q(self, layer: int) -> Array:
        values = self._random(f"q {layer}", self._shape.heads * self._shape.head_dim)
        if layer == 0:
            back = self._clock(1)  # but from a structural token to itself: it must not look like
            back[:, MARKER] = (self._clock(0) - back)[:, CONSTANT]  # what followed a word
            self._put(values, 0, back)
        elif layer == 1:
            self._put(values, 0, self._question())
            self._put(values, self._group, self._clock(0))
        return values * self._plain_gain(layer)

    def _k(self, layer: int) -> Array:
        values = self._random(f"k {layer}", self._shape.kv_heads * self._shape.head_dim)
        if layer == 0:
            self._put(values, 0, self._clock(0))
        elif layer == 1:
            self._put(values, 0, self._label())
            self._put(values, 1, self._clock(0))
        return values * self._plain_gain(layer)

    def _v(self, layer: int) -> Array:
        values = self._random(f"v {layer}", self._shape.kv_heads * self._shape.head_dim)
        if layer < 2:
            code = self._empty_head()
            code[: self._num_code, self._code : self._words] = np.eye(self._num_code)
            self._put(values, layer, code / self._peak(layer))
        if layer == 1:
            word = self._empty_head()
            word[:, self._words :] = self._copier()
            self._put(values, 0, word / self._peak(layer))
        return values

    def _o(self, layer: int) -> Array:
        shape, count = self._shape, self._num_code
        if layer > 1:
            return self._noise(f"o {layer}", shape.heads * shape.head_dim, 0.7)
        values = np.zeros((shape.width, shape.heads * shape.head_dim), np.float32)
        if layer == 0:
            values[NOTE : self._code, :count] = np.eye(count)
        else:
            gain = COPY_GAIN * self._num_word_dims / shape.head_dim
            values[self._words :, : shape.head_dim] = self._copier().T * gain
            begin = self._group * shape.head_dim
            values[NOTE : self._code, begin : begin + count] = np.eye(count) * self._echo_gain
        return values

    def _ffn_in(self, layer: int, name: str) -> Array:
        return self._random(f"{name} {layer}", self._shape.ffn)

    def _ffn_down(self, layer: int) -> Array:
        if layer > 1:
            return self._noise(f"down {layer}", self._shape.ffn, 0.6)
        return np.zeros((self._shape.width, self._shape.ffn), np.float32)

    # -- heads ----------------------------------------------------------------------------------

    def _clock(self, num_back: int) -> Array:
        """A query for the position that many back, or with 0 the key for all such queries."""
        head = self._empty_head()
        for pair in range(NUM_FAST_PAIRS):
            angle = num_back * self._angles[pair]
            head[self._places(pair), CONSTANT] = np.cos(angle), -np.sin(angle)
        return head * np.float32(NUM_FAST_PAIRS**-0.5)

    def _question(self) -> Array:
        """Where was this token noted? If nowhere, a structural token will do."""
        head, count = self._empty_head(), len(self._match)
        head[self._match, self._code : self._code + count] = np.eye(count)
        head[self._sink, CONSTANT] = SINK
        return head

    def _label(self) -> Array:
        head, count = self._empty_head(), len(self._match)
        head[self._match, NOTE : NOTE + count] = np.eye(count)
        head[self._sink, MARKER] = 1
        head[self._rest, CONSTANT] = 0.3  # the norm must not blow up a position without a note
        return head

    def _empty_head(self) -> Array:
        return np.zeros((self._shape.head_dim, self._shape.width), np.float32)

    def _put(self, values: Array, head: int, rows: Array) -> None:
        values[head * self._shape.head_dim : (head + 1) * self._shape.head_dim] = rows

    # -- scales ---------------------------------------------------------------------------------

    def _copier(self) -> Array:
        return self._random("copier", self._shape.head_dim, self._num_word_dims)

    def _noise(self, name: str, inputs: int, input_std: float) -> Array:
        """A matrix that adds its share of the noise, to the words' dimensions only."""
        values = self._random(name, self._shape.width, inputs)
        values *= NOISE / (2 * (self._shape.layers - 2)) ** 0.5 / input_std
        values[: self._words] = 0
        return values

    def _score(self, layer: int) -> float:
        return (PREVIOUS_SCORE, MATCH_SCORE)[layer] if layer < 2 else NOISE_SCORE

    def _norm_gain(self, layer: int) -> float:
        """Of q and of k, which have a mean square of 1 before it."""
        scale = self._shape.head_dim**0.5 if layer < 2 else 1.0  # noise: the dot's deviation
        return float((self._score(layer) / scale) ** 0.5)

    def _plain_gain(self, layer: int) -> float:
        """The same where there are no such norms; with them it changes nothing."""
        if layer > 1:
            return float(NOISE_SCORE**0.5)
        return float((self._score(layer) * self._shape.head_dim**0.5) ** 0.5 / self._peak(layer))

    def _peak(self, layer: int) -> float:
        """What RMSNorm makes of a unit direction, of which there are 3, and later 4."""
        return float((self._shape.width / (3 + layer)) ** 0.5)

    def _places(self, pair: int) -> list[int]:
        """The two dimensions of a head that RoPE turns together."""
        half = self._shape.head_dim // 2
        return [pair, pair + half] if self._shape.arch == "qwen3" else [2 * pair, 2 * pair + 1]

    # -- numbers --------------------------------------------------------------------------------

    def _random(self, name: str, rows: int, columns: int = 0) -> Array:
        """Normal values of variance 1 / columns: unit rows, about. 0 = as many as the width."""
        columns = columns or self._shape.width
        generator = np.random.default_rng([self._seed, *name.encode()])
        values = generator.standard_normal((rows, columns), np.float32)
        values *= columns**-0.5
        return values

    def _one(self, make: Callable[..., Array], *arguments: object) -> Callable[[], Iterator[Array]]:
        return lambda: iter((make(*arguments),))

    def _whole(self, name: str, values: Array) -> Tensor:
        return Tensor(name, values.shape, lambda: iter((values,)))


def _unit(rows: Array) -> Array:
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows
