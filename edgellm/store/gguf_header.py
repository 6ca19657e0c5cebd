"""The header of a GGUF file: its metadata, and where its tensors lie. Tensor data is never read.

The bytes come through a callable, so that a local file and a file on a hub (by HTTP ranges) are
read alike, in pieces that grow from 1 MiB. What a header claims is checked before it is believed:
a hostile or broken file ends in a `ModelFileError`, never in a huge allocation or a long loop.

Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md, versions 2 and 3.
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Callable, Container, Sequence
from pathlib import Path
from typing import NoReturn, TypeAlias

from msgspec import Struct

from edgellm.errors import ModelFileError
from edgellm.store.gguf_types import BY_NUMBER

Reader: TypeAlias = Callable[[int, int], bytes]
"""`read(start, length)`: those bytes; fewer only where the file ends."""

FIRST_BYTES = 1024 * 1024
MOST_HEADER_BYTES = 256 * 1024 * 1024  # the largest real ones, 262,144 tokens and more, have 20 MB
MOST_ENTRIES = 65_536  # of metadata
MOST_TENSORS = 262_144
MOST_STRINGS = 4_194_304  # in one array
MOST_KEPT = 4096  # elements of an array; a longer one is only described
MOST_DIMENSIONS = 4

_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q"}
_SCALARS |= {12: "d"}
_STRING, _ARRAY = 8, 9
_SIZES = {kind: struct.calcsize("<" + code) for kind, code in _SCALARS.items()}
_LENGTH = struct.Struct("<Q")
_DEFAULT_ALIGNMENT = 32
_PART = re.compile(r"^(.*)-(\d{5})-of-(\d{5})(\.gguf)$")


class LongArray(Struct, frozen=True):
    """What is said of an array that is too long to keep, such as a vocabulary."""

    count: int
    size_bytes: int  # in the file; of strings, with 8 bytes each for their lengths


Scalar: TypeAlias = str | int | float | bool
Value: TypeAlias = Scalar | tuple[Scalar, ...] | LongArray


class TensorInfo(Struct, frozen=True):
    """`shape`: the row's length first, as GGUF has it; `offset`: from the file's `data_offset`."""

    name: str
    type: str
    shape: tuple[int, ...]
    size_bytes: int
    offset: int
    part: int = 0  # of a split model: which file


class GGUFHeader(Struct, frozen=True):
    """One file's header; of a split model, see `join`: the first file's with all tensors."""

    version: int
    metadata: dict[str, Value]
    tensors: tuple[TensorInfo, ...]
    data_offset: int  # where the tensors' data begins in the (first) file
    num_parts: int = 1
    metadata_end: int = 0  # where the tensors' entries begin in the (first) file

    @property
    def architecture(self) -> str:
        """E.g. "qwen3"; empty if the file does not say."""
        name = self.metadata.get("general.architecture")
        return name if isinstance(name, str) else ""

    @property
    def tensor_bytes(self) -> int:
        """Of all tensors, without padding."""
        return sum(tensor.size_bytes for tensor in self.tensors)

    @property
    def end_offset(self) -> int:
        """How long the (first) file must be at least: less, and it is cut off."""
        ends = (t.offset + t.size_bytes for t in self.tensors if t.part == 0)
        return self.data_offset + max(ends, default=0)


def parse_header(read: Reader, name: str = "The file", whole: Container[str] = ()) -> GGUFHeader:
    """Read one file's header.

    Args:
        name: of the file, for messages.
        whole: keys whose arrays are kept, however long they are.

    Raises:
        ModelFileError: not GGUF, cut off, or saying what cannot be.
        Exception: whatever `read` raises.
    """
    source = _Source(read, name)
    if source.take(4) != b"GGUF":
        source.fail("it does not begin with GGUF", "A model for llama.cpp is a .gguf file.")
    version = _version(source)
    num_tensors = source.count(MOST_TENSORS, "tensors")
    num_entries = source.count(MOST_ENTRIES, "metadata entries")
    metadata: dict[str, Value] = {}
    for _ in range(num_entries):
        key = source.string()
        most = MOST_STRINGS if key in whole else MOST_KEPT
        metadata[key] = _value(source, source.number("I"), most)
    metadata_end = source.position
    alignment = _alignment(source, metadata)
    tensors = tuple(_tensor(source, alignment) for _ in range(num_tensors))
    data_offset = -(-source.position // alignment) * alignment
    return GGUFHeader(version, metadata, tensors, data_offset, metadata_end=metadata_end)


def read_header(path: Path, whole: Container[str] = ()) -> GGUFHeader:
    """The header of a local model, and of all its parts if it is split.

    Args:
        whole: keys whose arrays are kept, however long they are.

    Raises:
        ModelFileError: a part is missing, cannot be read, or is not GGUF.
    """
    first = _read_file(path, whole)
    names = part_names(path.name, num_parts(first))
    others = [_read_file(path.with_name(name)) for name in names if name != path.name]
    return join((first, *others))


def num_parts(header: GGUFHeader) -> int:
    """Files that the model is split into."""
    count = header.metadata.get("split.count", 1)
    return count if isinstance(count, int) and 1 <= count <= 99_999 else 1


def part_names(name: str, count: int) -> list[str]:
    """The names of all parts, given one's: `X-00001-of-00003.gguf` and so on.

    Raises:
        ModelFileError: the model is split, but the name does not say which part this is.
    """
    if count == 1:
        return [name]
    match = _PART.match(name)
    if match is None or int(match[3]) != count:
        raise ModelFileError(
            f"{name} is one of {count} parts of a model, but is not named like one.",
            f"Name the parts X-00001-of-{count:05}.gguf and so on.",
        )
    return [f"{match[1]}-{part:05}-of-{match[3]}{match[4]}" for part in range(1, count + 1)]


def join(headers: Sequence[GGUFHeader]) -> GGUFHeader:
    """One header for a split model: the first part's metadata, the tensors of all."""
    first = min(headers, key=_part_number)
    ordered = sorted(headers, key=_part_number)
    tensors = tuple(
        TensorInfo(t.name, t.type, t.shape, t.size_bytes, t.offset, part)
        for part, header in enumerate(ordered)
        for t in header.tensors
    )
    return GGUFHeader(
        first.version,
        first.metadata,
        tensors,
        first.data_offset,
        len(headers),
        first.metadata_end,
    )


def _part_number(header: GGUFHeader) -> int:
    number = header.metadata.get("split.no", 0)
    return number if isinstance(number, int) else 0


def _read_file(path: Path, whole: Container[str] = ()) -> GGUFHeader:
    try:
        with path.open("rb", buffering=0) as file:

            def read(start: int, length: int) -> bytes:
                file.seek(start)
                return file.read(length)

            return parse_header(read, path.name, whole)
    except FileNotFoundError:
        raise ModelFileError(f"There is no file {path}.", "Are all parts there?") from None
    except OSError as error:
        raise ModelFileError(f"{path} cannot be read: {error.strerror}.") from error


class _Source:
    """The bytes so far, and a position in them."""

    def __init__(self, read: Reader, name: str) -> None:
        self._read = read
        self._name = name
        self._data = bytearray()
        self.position = 0

    def take(self, length: int) -> bytes:
        begin = self.skip(length)
        return bytes(self._data[begin : self.position])

    def skip(self, length: int) -> int:
        """Go on by so many bytes, which are there then; gives the position before."""
        begin, end = self.position, self.position + length
        if end > len(self._data):
            self._fetch(end)
        self.position = end
        return begin

    def number(self, code: str) -> int:
        return int(self.numbers(code, 1)[0])

    def numbers(self, code: str, count: int) -> tuple[int | float | bool, ...]:
        layout = struct.Struct(f"<{count}{code}")
        begin = self.skip(layout.size)
        return layout.unpack_from(self._data, begin)

    def count(self, most: int, what: str) -> int:
        found = self.number("Q")
        if found > most:
            self.fail(f"it claims to have {found:,} {what}, more than {most:,}")
        return found

    def string(self) -> str:
        length = self.count(MOST_HEADER_BYTES, "bytes in a text")
        return self.take(length).decode("utf-8", "replace")

    def skip_strings(self, count: int) -> None:
        """The hot loop: a vocabulary has 262,144 of them, and as many merges."""
        data, position, unpack = self._data, self.position, _LENGTH.unpack_from
        for _ in range(count):
            if position + 8 > len(data):
                self._fetch(position + 8)
            position += 8 + unpack(data, position)[0]
            if position > len(data):
                self._fetch(position)
        self.position = position

    def fail(self, reason: str, hint: str = "Fetch it again, or from another place.") -> NoReturn:
        raise ModelFileError(f"{self._name} is not a GGUF file that can be used: {reason}.", hint)

    def _fetch(self, end: int) -> None:
        """Have at least the first `end` bytes; each time as much again as there is."""
        if end > MOST_HEADER_BYTES:
            self.fail(f"its header has more than {MOST_HEADER_BYTES // 2**20} MiB")
        begin = len(self._data)
        wanted = min(max(end, 2 * begin, FIRST_BYTES), MOST_HEADER_BYTES) - begin
        while wanted > 0 and (piece := self._read(begin, wanted)):
            self._data += piece[:wanted]
            begin, wanted = len(self._data), wanted - len(piece)
        if len(self._data) < end:
            self.fail(f"it is cut off after {len(self._data):,} bytes")


def _version(source: _Source) -> int:
    version = source.number("I")
    if int.from_bytes(version.to_bytes(4, "little"), "big") in (2, 3):
        source.fail("its numbers are big-endian", "Choose a file for little-endian machines.")
    if version not in (2, 3):
        source.fail(f"its version is {version}", "Versions 2 and 3 can be read: convert it again.")
    return version


def _value(source: _Source, kind: int, most_kept: int) -> Value:
    if kind == _STRING:
        return source.string()
    if kind == _ARRAY:
        return _array(source, most_kept)
    return source.numbers(_code(source, kind), 1)[0]


def _code(source: _Source, kind: int) -> str:
    code = _SCALARS.get(kind)
    if code is None:
        source.fail(f"its metadata has a value of the unknown type {kind}")
    return code


def _array(source: _Source, most_kept: int) -> Value:
    kind = source.number("I")
    if kind == _STRING:
        count = source.count(MOST_STRINGS, "texts in an array")
        if count <= most_kept:
            return tuple(source.string() for _ in range(count))
        begin = source.position
        source.skip_strings(count)
        return LongArray(count, source.position - begin)
    code = _code(source, kind)  # an array of arrays is refused here, as llama.cpp does
    count = source.count(MOST_HEADER_BYTES // _SIZES[kind], "numbers in an array")
    if count <= most_kept:
        return source.numbers(code, count)
    source.skip(count * _SIZES[kind])
    return LongArray(count, count * _SIZES[kind])


def _alignment(source: _Source, metadata: dict[str, Value]) -> int:
    alignment = metadata.get("general.alignment", _DEFAULT_ALIGNMENT)
    if not isinstance(alignment, int) or not 1 <= alignment <= 2**20 or alignment.bit_count() != 1:
        source.fail(f"its alignment is {alignment!r}, not a power of two")
    return alignment


def _tensor(source: _Source, alignment: int) -> TensorInfo:
    name = source.string()
    num_dimensions = source.number("I")
    if num_dimensions > MOST_DIMENSIONS:
        source.fail(f"its tensor {name!r} has {num_dimensions} dimensions")
    shape = tuple(map(int, source.numbers("Q", num_dimensions)))
    kind = BY_NUMBER.get(source.number("I"))
    offset = source.number("Q")
    num_values = math.prod(shape)
    if kind is None:
        source.fail(f"its tensor {name!r} has a type that edgellm does not know", "Update edgellm.")
    if not 0 < num_values < 2**63 or (shape[:1] and shape[0] % kind.block_values):
        source.fail(f"its tensor {name!r} has the impossible shape {list(shape)}")
    if offset % alignment or offset >= 2**63:
        source.fail(f"its tensor {name!r} lies at the impossible place {offset}")
    return TensorInfo(name, kind.name, shape, kind.num_bytes(num_values), offset)
