"""Files that chance has changed: the header's reader refuses them or reads them, fast and small.
The engine loads them or dies by itself, with a message; the server's side never does.
"""

from __future__ import annotations

import asyncio
import random
import struct
import tracemalloc
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from edgellm.errors import EngineCrashed, EngineError, EngineLoadError, ModelFileError
from edgellm.protocol import Load
from edgellm.serving.backoff import Backoff
from edgellm.serving.process import EngineProcess
from edgellm.store.gguf_header import parse_header
from edgellm.types import EngineOptions, Sampling

NUM_HEADERS = 1500
NUM_LOADS, NUM_SLOW_LOADS = 30, 1000
MOST_BYTES = 50 * 2**20
HUGE = (2**31 - 1, 2**31, 2**32, 2**40, 2**62, 2**63 - 1, 2**63, 2**64 - 1)
Mutation = Callable[[bytearray, int, random.Random], None]  # of the file, whose header is so long


def flip_bits(data: bytearray, header: int, rng: random.Random) -> None:
    for _ in range(rng.choice((1, 1, 2, 8))):
        data[rng.randrange(header)] ^= 1 << rng.randrange(8)


def cut(data: bytearray, header: int, rng: random.Random) -> None:
    del data[rng.choice((rng.randrange(header), rng.randrange(len(data)))) :]


def claim_much(data: bytearray, header: int, rng: random.Random) -> None:
    """A huge number in the place of one of the file's counts and lengths, or anywhere."""
    places = (8, 16, 24, rng.randrange(header), _find_length(data, header, rng))
    struct.pack_into("<Q", data, rng.choice(places), rng.choice(HUGE))


def change_type(data: bytearray, header: int, rng: random.Random) -> None:
    """Another type for a value of the metadata: strings as numbers, arrays, arrays of arrays."""
    place = _behind_a_name(data, header, rng)
    struct.pack_into("<I", data, place, rng.choice((*range(14), 9, 9, 255)))


def nest_arrays(data: bytearray, header: int, rng: random.Random) -> None:
    """An array of arrays of arrays, where a value was."""
    place = _behind_a_name(data, header, rng)
    data[place:place] = struct.pack("<I", 9) + struct.pack("<IQ", 9, 2) * rng.choice((1, 3, 5000))


def overwrite(data: bytearray, header: int, rng: random.Random) -> None:
    length = rng.choice((1, 4, 16, 200))
    begin = rng.randrange(header - length)
    data[begin : begin + length] = rng.randbytes(length)


def move_a_piece(data: bytearray, header: int, rng: random.Random) -> None:
    begin, length = rng.randrange(header), rng.randrange(1, 64)
    piece = bytes(data[begin : begin + length])
    if rng.random() < 0.5:
        del data[begin : begin + length]
    place = rng.randrange(header)
    data[place:place] = piece


def shrink_numbers(data: bytearray, header: int, rng: random.Random) -> None:
    """Zeros, ones and minus ones where shapes, counts of heads and offsets are."""
    place = _behind_a_name(data, header, rng) + 4
    struct.pack_into("<I", data, place, rng.choice((0, 1, 3, 2**32 - 1, 2**31)))


MUTATIONS: tuple[Mutation, ...] = (
    flip_bits,
    cut,
    claim_much,
    change_type,
    nest_arrays,
    overwrite,
    move_a_piece,
    shrink_numbers,
)


def _find_length(data: bytearray, header: int, rng: random.Random) -> int:
    """The place of some name's length, which stands before it."""
    return _behind_a_name(data, header, rng, is_before=True)


def _behind_a_name(
    data: bytearray, header: int, rng: random.Random, *, is_before: bool = False
) -> int:
    """The place behind some key or tensor's name, or of its length."""
    names = (b"llama.", b"general.", b"tokenizer.ggml.", b"blk.", b"token_embd", b"output_norm")
    begin = data.find(rng.choice(names), rng.randrange(header), header)
    if begin < 8:  # there is none behind that place
        begin = rng.randrange(8, header)
    length = struct.unpack_from("<Q", data, begin - 8)[0]
    return min(begin - 8 if is_before else begin + length, header - 16)


def mutate(original: bytes, header: int, seed: int) -> tuple[str, bytes]:
    """The mutation's name and the file: one change, sometimes a second one."""
    rng = random.Random(seed)
    data = bytearray(original)
    mutations = [MUTATIONS[seed % len(MUTATIONS)]]
    if rng.random() < 0.3:
        mutations.append(rng.choice(MUTATIONS[:1] + MUTATIONS[5:]))
    for mutation in mutations:
        if len(data) > header:
            mutation(data, header, rng)
    return mutations[0].__name__, bytes(data)


@pytest.fixture(scope="module")
def original(tiny_model: Path) -> bytes:
    return tiny_model.read_bytes()


def header_length(data: bytes) -> int:
    return parse_header(lambda start, length: data[start : start + length]).data_offset


def test_a_mutated_header_is_read_or_refused_with_little_memory(original: bytes) -> None:
    end = header_length(original)
    ends: Counter[tuple[str, bool]] = Counter()
    num_asked = 0
    tracemalloc.start()
    try:
        for seed in range(NUM_HEADERS):
            name, data = mutate(original, end, seed)

            def read(start: int, length: int, data: bytes = data) -> bytes:
                nonlocal num_asked
                num_asked += 1
                return data[start : start + length]

            tracemalloc.reset_peak()
            refusal = ""
            try:
                parse_header(read, "x.gguf")
            except ModelFileError as error:
                refusal = error.message
            assert refusal == "" or refusal.startswith("x.gguf is not a GGUF file that can be used")
            ends[name, refusal == ""] += 1
            assert tracemalloc.get_traced_memory()[1] < MOST_BYTES, (name, seed)
    finally:
        tracemalloc.stop()
    assert num_asked < 5 * NUM_HEADERS  # no loop over what is not there
    assert {name for name, _ in ends} == {mutation.__name__ for mutation in MUTATIONS}
    refused = sum(count for (_, is_read), count in ends.items() if not is_read)
    assert NUM_HEADERS / 5 < refused < NUM_HEADERS


async def load(path: Path) -> str:
    """What becomes of an engine with that file: it answers, or says why not."""
    options = EngineOptions(context=64, parallel=1, threads=1)
    process = EngineProcess(
        Load("llama_cpp", str(path), options), backoff=Backoff(first_seconds=0.01)
    )
    try:
        await process.ensure_ready()
        sampling = Sampling(max_tokens=2, temperature=0)
        parts = [part async for part in process.generate(("ab",), sampling)]
        return "answers" if parts else "nothing"
    except EngineError as error:
        return _kind(error)
    finally:
        await process.aclose()


def _kind(error: EngineError) -> str:
    match error:
        case EngineError(message=""):
            return "no message"
        case EngineLoadError():
            return "refused"
        case EngineCrashed():
            return "crashed"
        case _:
            return "failed"


async def load_all(folder: Path, original: bytes, seeds: range) -> Counter[str]:
    """Two at a time, through the same code that serves."""
    end, turn = header_length(original), asyncio.Semaphore(2)

    async def one(seed: int) -> str:
        async with turn:
            path = folder / f"{seed}.gguf"
            path.write_bytes(mutate(original, end, seed)[1])
            outcome = await asyncio.wait_for(load(path), 60)
            path.unlink()
            return outcome

    return Counter(await asyncio.gather(*map(one, seeds)))


def test_a_mutated_model_kills_its_engine_at_most(tmp_path: Path, original: bytes) -> None:
    counts = asyncio.run(load_all(tmp_path, original, range(NUM_LOADS)))
    assert sum(counts.values()) == NUM_LOADS
    assert counts["refused"] > NUM_LOADS / 5
    assert set(counts) <= {"answers", "refused", "crashed", "failed"}


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_thousand_mutated_models(tmp_path: Path, original: bytes) -> None:
    counts = asyncio.run(load_all(tmp_path, original, range(100, 100 + NUM_SLOW_LOADS)))
    assert sum(counts.values()) == NUM_SLOW_LOADS
    assert set(counts) <= {"answers", "refused", "crashed", "failed"}
