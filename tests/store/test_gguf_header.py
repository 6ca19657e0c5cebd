"""GGUF headers: real files, files in pieces, files that lie, and files that chance has changed."""

from __future__ import annotations

import random
import struct
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import gguf
import httpx
import numpy as np
import pytest

from edgellm.assets import builtin_model
from edgellm.errors import ModelFileError
from edgellm.store.gguf_header import (
    FIRST_BYTES,
    MOST_KEPT,
    GGUFHeader,
    LongArray,
    Reader,
    join,
    parse_header,
    part_names,
    read_header,
)
from edgellm.store.gguf_types import BY_NUMBER


def reader(data: bytes) -> Reader:
    return lambda start, length: data[start : start + length]


def parse(data: bytes) -> GGUFHeader:
    return parse_header(reader(data), "x.gguf")


def text(value: str) -> bytes:
    return struct.pack("<Q", len(value.encode())) + value.encode()


def entry(key: str, kind: int, value: bytes) -> bytes:
    return text(key) + struct.pack("<I", kind) + value


def tensor(name: str, shape: tuple[int, ...], kind: int = 0, offset: int = 0) -> bytes:
    sizes = struct.pack(f"<I{len(shape)}Q", len(shape), *shape)
    return text(name) + sizes + struct.pack("<IQ", kind, offset)


def whole(
    entries: tuple[bytes, ...] = (), tensors: tuple[bytes, ...] = (), version: int = 3
) -> bytes:
    counts = struct.pack("<IQQ", version, len(tensors), len(entries))
    return b"GGUF" + counts + b"".join(entries) + b"".join(tensors)


def written(path: Path, num_tokens: int = 300, **more: int) -> Path:
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_block_count(2)
    writer.add_token_list([f"token {number} ü" for number in range(num_tokens)])
    writer.add_token_scores([0.5] * num_tokens)
    writer.add_array("llama.attention.head_count_kv", [2, 4])
    writer.add_bool("tokenizer.ggml.add_bos_token", True)
    for key, value in more.items():
        writer.add_uint16(key.replace("__", "."), value)
    writer.add_tensor("token_embd.weight", np.zeros((num_tokens, 64), np.float16))
    writer.add_tensor("blk.0.attn_norm.weight", np.zeros(64, np.float32))
    quantised = np.zeros((32, 64 // 32 * 34), np.uint8)
    writer.add_tensor("blk.0.ffn_up.weight", quantised, raw_dtype=gguf.GGMLQuantizationType.Q8_0)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def test_the_types_are_those_of_the_gguf_package() -> None:
    theirs = {
        int(kind): (kind.name, *gguf.GGML_QUANT_SIZES[kind]) for kind in gguf.GGMLQuantizationType
    }
    assert theirs == {number: tuple(BY_NUMBER[number]) for number in theirs}


def test_what_the_gguf_package_wrote_is_read_as_it_reads_it(tmp_path: Path) -> None:
    path = written(tmp_path / "a.gguf")
    header = read_header(path)
    theirs = gguf.GGUFReader(path)
    assert header.architecture == "llama"
    assert header.metadata["llama.block_count"] == 2
    assert header.metadata["llama.attention.head_count_kv"] == (2, 4)
    assert header.metadata["tokenizer.ggml.add_bos_token"] is True
    assert header.metadata["tokenizer.ggml.tokens"][299] == "token 299 ü"  # type: ignore[index]
    assert [(t.name, t.type, t.size_bytes) for t in header.tensors] == [
        (t.name, t.tensor_type.name, t.n_bytes) for t in theirs.tensors
    ]
    assert [header.data_offset + t.offset for t in header.tensors] == [
        t.data_offset for t in theirs.tensors
    ]
    assert header.end_offset <= path.stat().st_size < header.end_offset + 32  # padded


def test_the_built_in_model_ends_where_its_header_says() -> None:
    path = builtin_model()
    header = read_header(path)
    assert header.end_offset == path.stat().st_size
    assert header.tensor_bytes < header.end_offset


def test_a_long_array_is_described_and_not_kept(tmp_path: Path) -> None:
    header = read_header(written(tmp_path / "a.gguf", num_tokens=MOST_KEPT + 1))
    count = MOST_KEPT + 1
    texts = sum(8 + len(f"token {number} ü".encode()) for number in range(count))
    assert header.metadata["tokenizer.ggml.tokens"] == LongArray(count, texts)
    assert header.metadata["tokenizer.ggml.scores"] == LongArray(count, 4 * count)


def test_only_the_header_is_asked_for_and_in_growing_pieces(tmp_path: Path) -> None:
    path = written(tmp_path / "a.gguf", num_tokens=100_000)
    data = path.read_bytes()
    asked: list[tuple[int, int]] = []

    def read(start: int, length: int) -> bytes:
        asked.append((start, length))
        return data[start : start + length]

    header = parse_header(read)
    assert asked[0] == (0, FIRST_BYTES)
    assert all(b == sum(asked[i]) for i, (b, _) in enumerate(asked[1:]))  # no byte twice
    assert sum(asked[-1]) < 2 * header.data_offset < len(data)


def test_a_reader_that_gives_little_at_a_time_is_asked_again(tmp_path: Path) -> None:
    data = written(tmp_path / "a.gguf").read_bytes()
    slow = parse_header(lambda start, length: data[start : start + min(length, 100)])
    assert slow == parse(data)


def test_every_cut_through_a_header_is_an_error(tmp_path: Path) -> None:
    data = written(tmp_path / "a.gguf", num_tokens=20).read_bytes()
    end = parse(data).tensors[-1].name
    assert end
    length = data.index(b"blk.0.ffn_up.weight") + len("blk.0.ffn_up.weight")
    for cut in range(length):
        with pytest.raises(ModelFileError):
            parse(data[:cut])


def test_changed_bytes_end_in_a_header_or_a_clear_error(tmp_path: Path) -> None:
    data = written(tmp_path / "a.gguf", num_tokens=20).read_bytes()[:2000]
    generator = random.Random(4)
    outcomes, num_headers = {True: 0, False: 0}, 0
    for _ in range(3000):
        changed = bytearray(data)
        for _ in range(generator.randint(1, 4)):
            changed[generator.randrange(4, 900)] = generator.choice((0, 1, 255, 128, 8, 9, 64))
        try:
            parse(bytes(changed))
        except ModelFileError as error:
            outcomes[error.message.startswith("x.gguf is not a GGUF file that can be used: ")] += 1
        else:
            num_headers += 1
    assert outcomes[False] == 0
    assert min(outcomes[True], num_headers) > 100  # both happen, and nothing else does


HUGE = 2**63 + 5
SHORT = struct.pack("<Q", HUGE)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "cut off after 0 bytes"),
        (b"PK\x03\x04 a zip file, rather", "does not begin with GGUF"),
        (whole(version=1), "version is 1"),
        (b"GGUF" + struct.pack(">IQQ", 3, 0, 0), "big-endian"),
        (b"GGUF" + struct.pack("<IQQ", 3, HUGE, 0), "tensors"),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, HUGE), "metadata entries"),
        (whole((SHORT,)), "bytes in a text"),
        (whole((entry("a", 13, b""),)), "unknown type 13"),
        (whole((entry("a", 8, SHORT),)), "bytes in a text"),
        (whole((entry("a", 9, struct.pack("<I", 8) + SHORT),)), "texts in an array"),
        (whole((entry("a", 9, struct.pack("<I", 4) + SHORT),)), "numbers in an array"),
        (whole((entry("a", 9, struct.pack("<IQ", 9, 1)),)), "unknown type 9"),
        (whole((entry("a", 9, struct.pack("<IQ", 8, 2**20)),)), "cut off"),
        (whole((entry("a", 9, struct.pack("<IQQ", 8, 2**20, HUGE)),)), "256 MiB"),
        (whole((entry("general.alignment", 4, struct.pack("<I", 24)),)), "alignment is 24"),
        (whole((entry("general.alignment", 8, text("no")),)), "alignment is 'no'"),
        (whole((), (tensor("t", (1, 1, 1, 1, 1)),)), "5 dimensions"),
        (whole((), (tensor("t", (32,), kind=4),)), "a type that edgellm does not know"),
        (whole((), (tensor("t", (33, 2), kind=2),)), "impossible shape"),
        (whole((), (tensor("t", (2**40, 2**40)),)), "impossible shape"),
        (whole((), (tensor("t", (0, 4)),)), "impossible shape"),
        (whole((), (tensor("t", (4,), offset=7),)), "impossible place 7"),
    ],
)
def test_a_header_that_cannot_be_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(ModelFileError, match=reason) as caught:
        parse(data)
    assert caught.value.hint or "cut off" in reason


def test_a_claimed_vocabulary_without_bytes_costs_nothing() -> None:
    """Four million empty texts would be 32 MB; the file has none of them."""
    data = whole((entry("a", 9, struct.pack("<IQ", 8, 4_194_304)),))
    asked = 0

    def read(start: int, length: int) -> bytes:
        nonlocal asked
        asked += 1
        return data[start : start + length]

    with pytest.raises(ModelFileError, match="cut off"):
        parse_header(read)
    assert asked < 10


def test_errors_of_the_reader_reach_the_caller() -> None:
    def read(start: int, length: int) -> bytes:
        raise ConnectionError("the hub is gone")

    with pytest.raises(ConnectionError):
        parse_header(read)


def test_a_split_model_is_read_as_one(tmp_path: Path) -> None:
    parts = [
        written(tmp_path / f"m-0000{part + 1}-of-00002.gguf", split__count=2, split__no=part)
        for part in range(2)
    ]
    one = read_header(parts[0])
    assert one == read_header(parts[1])
    assert one.num_parts == 2
    assert [t.part for t in one.tensors] == [0, 0, 0, 1, 1, 1]
    alone = parse(parts[0].read_bytes())
    assert one.tensor_bytes == 2 * alone.tensor_bytes
    assert one.end_offset == alone.end_offset
    assert join([parse(part.read_bytes()) for part in reversed(parts)]) == one


def test_a_missing_part_is_named(tmp_path: Path) -> None:
    path = written(tmp_path / "m-00001-of-00002.gguf", split__count=2, split__no=0)
    with pytest.raises(ModelFileError, match=r"m-00002-of-00002\.gguf"):
        read_header(path)


def test_a_part_that_is_named_otherwise_is_an_error(tmp_path: Path) -> None:
    path = written(tmp_path / "model.gguf", split__count=2, split__no=0)
    with pytest.raises(ModelFileError, match="not named like one") as caught:
        read_header(path)
    assert "of-00002" in caught.value.hint


def test_names_of_parts() -> None:
    assert part_names("a.gguf", 1) == ["a.gguf"]
    assert part_names("a-00002-of-00003.gguf", 3)[2] == "a-00003-of-00003.gguf"


def test_a_file_that_is_not_there_or_is_a_folder_is_an_error(tmp_path: Path) -> None:
    check: Callable[[Path], object] = read_header
    with pytest.raises(ModelFileError, match="no file"):
        check(tmp_path / "nothing.gguf")
    with pytest.raises(ModelFileError, match="cannot be read"):
        check(tmp_path)


class _Ranges(BaseHTTPRequestHandler):
    """Serves one file by ranges, as hubs do; `sent` counts the bytes."""

    data = b""
    sent = 0

    def do_GET(self) -> None:
        begin, end = map(int, self.headers["Range"].removeprefix("bytes=").split("-"))
        piece = self.data[begin : end + 1]
        type(self).sent += len(piece)
        self.send_response(206 if piece else 416)
        self.send_header("Content-Length", str(len(piece)))
        self.end_headers()
        self.wfile.write(piece)

    def log_message(self, *_: object) -> None:
        pass


def test_a_header_is_read_over_http_without_the_tensors(tmp_path: Path) -> None:
    path = written(tmp_path / "a.gguf", num_tokens=200_000)
    _Ranges.data, _Ranges.sent = path.read_bytes(), 0
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Ranges)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        with httpx.Client(trust_env=False) as client:

            def read(start: int, length: int) -> bytes:
                span = {"Range": f"bytes={start}-{start + length - 1}"}
                response = client.get(f"http://127.0.0.1:{server.server_port}/a", headers=span)
                return response.content if response.status_code == 206 else b""

            assert parse_header(read) == read_header(path)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert _Ranges.sent < len(_Ranges.data) / 2
