"""What the server costs beside the engine: CPU time for each streamed token, and time to the first.

    python -m benches.overhead [MODEL.gguf] [--rounds 5] [--streams 8] [--tokens 400]

CPU time is that of the server's own process, without its engine, over the tokens of several streams
at once; beside it the same answers unstreamed, so that the difference is what streaming costs. The
time to the first token is measured over HTTP (chat, template and all) and straight from an engine
in turn, with the same prompts; the overhead is the difference of the medians. All of it is
interleaved, round by round. Prints the medians, then one line of JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import socket
import sys
import tempfile
import time
from contextlib import aclosing
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import psutil

from benches._prompts import Writer
from benches._report import number, print_json, print_table
from benches._server import Running, serve
from benches._stats import median
from edgellm.assets import builtin_model
from edgellm.chat.template import CHATML, ChatTemplate
from edgellm.protocol import Delta, Load
from edgellm.serving.process import EngineProcess
from edgellm.types import EngineOptions, Message, Sampling

COMMAND = (
    f"{sys.executable} -m edgellm serve {{model}} --port {{port}} --context {{context}}"
    " --parallel {parallel} --no-warm-boot"
)
CONTEXT = 1024
PROMPT_TOKENS = 40
FIRST_TOKENS = 10  # asked for each time to a first token is measured


class Round(NamedTuple):
    """Seconds."""

    cpu_per_streamed_token: float
    cpu_per_whole_token: float
    http_ttft: float
    engine_ttft: float


class Http:
    """As little of a client as will do: what it costs must not count as the server's."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._address = (parts.hostname or "", parts.port or 80)

    async def ask(self, text: str, max_tokens: int, *, stream: bool) -> bytes:
        """An answer, head and all."""
        reader, writer = await asyncio.open_connection(*self._address)
        writer.write(self._request(text, max_tokens, stream=stream))
        answer = await reader.read()
        writer.close()
        return checked(answer)

    def ttft(self, text: str) -> float:
        """Seconds from connecting to the first text. Blocks."""
        request = self._request(text, FIRST_TOKENS, stream=True)
        asked, first, answer = time.perf_counter(), 0.0, b""
        with socket.create_connection(self._address) as connection:
            connection.sendall(request)
            while piece := connection.recv(1 << 16):
                answer += piece
                if not first and has_text(answer):
                    first = time.perf_counter() - asked
        checked(answer)
        return first

    def _request(self, text: str, max_tokens: int, *, stream: bool) -> bytes:
        body = {
            "messages": [{"role": "user", "content": text}],
            "max_tokens": max_tokens,
            "ignore_eos": True,
            "temperature": 0,
            "stream": stream,
            "stream_options": {"include_usage": True} if stream else None,
        }
        data = json.dumps(body).encode()
        head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: {self._address[0]}\r\n"
        return f"{head}Connection: close\r\nContent-Length: {len(data)}\r\n\r\n".encode() + data


def checked(answer: bytes) -> bytes:
    """Raises RuntimeError for another status than 200."""
    if b" 200 " not in answer[:20]:
        raise RuntimeError(answer.decode(errors="replace"))
    return answer


def has_text(answer: bytes) -> bool:
    return re.search(rb'"content":"[^"]', answer) is not None


def num_tokens(answer: bytes) -> int:
    """Of an answer, by its usage."""
    counts: list[bytes] = re.findall(rb'"completion_tokens":(\d+)', answer)
    return int(counts[-1])


async def cpu_per_token(http: Http, pid: int, writer: Writer, stream: bool, sizes: Sizes) -> float:
    """CPU seconds of the process over the tokens of some answers at once."""
    process = psutil.Process(pid)
    before = process.cpu_times()
    asked = (
        http.ask(writer.text(PROMPT_TOKENS), sizes.tokens, stream=stream)
        for _ in range(sizes.streams)
    )
    answers = await asyncio.gather(*asked)
    after = process.cpu_times()
    seconds = after.user + after.system - before.user - before.system
    return seconds / sum(map(num_tokens, answers))


async def engine_ttft(engine: EngineProcess, text: str) -> float:
    """Straight from an engine, with the prompt that the server would make."""
    info = await engine.ensure_ready()
    template = ChatTemplate(
        info.chat_template or CHATML,
        bos_token=info.bos_token,
        eos_token=info.eos_token,
        control_tokens=info.control_tokens,
    )
    prompt = template.render((Message("user", text),), ())
    sampling = Sampling(temperature=0, max_tokens=FIRST_TOKENS, ignore_eos=True)
    asked, first = time.perf_counter(), 0.0
    async with aclosing(engine.generate(prompt, sampling)) as answers:
        async for answer in answers:
            if not first and isinstance(answer, Delta) and answer.text:
                first = time.perf_counter() - asked
    return first


class Sizes(NamedTuple):
    streams: int
    tokens: int
    repeat: int


async def one_round(
    http: Http, server: Running, engine: EngineProcess, writer: Writer, sizes: Sizes
) -> Round:
    streamed = await cpu_per_token(http, server.pid, writer, True, sizes)
    whole = await cpu_per_token(http, server.pid, writer, False, sizes)
    over_http, direct = [], []
    for _ in range(sizes.repeat):
        text = writer.text(PROMPT_TOKENS)
        over_http.append(http.ttft(text))
        direct.append(await engine_ttft(engine, text))
    return Round(streamed, whole, median(over_http), median(direct))


async def measure(server: Running, options: argparse.Namespace) -> list[Round]:
    sizes = Sizes(options.streams, options.tokens, options.repeat)
    writer, http = Writer(options.seed), Http(server.url)
    engine = EngineProcess(
        Load("llama_cpp", str(options.model), EngineOptions(CONTEXT, options.streams))
    )
    try:
        await one_round(http, server, engine, writer, sizes)  # imports, caches, learned paces
        return [await one_round(http, server, engine, writer, sizes) for _ in range(options.rounds)]
    finally:
        await engine.aclose()


def figures(rounds: list[Round]) -> dict[str, float]:
    """Medians over the rounds."""
    return {
        "cpu_ms_per_streamed_token": 1e3 * median(r.cpu_per_streamed_token for r in rounds),
        "cpu_ms_per_whole_token": 1e3 * median(r.cpu_per_whole_token for r in rounds),
        "http_ttft_ms": 1e3 * median(r.http_ttft for r in rounds),
        "engine_ttft_ms": 1e3 * median(r.engine_ttft for r in rounds),
        "ttft_overhead_ms": 1e3 * median(r.http_ttft - r.engine_ttft for r in rounds),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("model", nargs="?", type=Path, default=builtin_model())
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--streams", type=int, default=8)
    parser.add_argument("--tokens", type=int, default=400, help="of each answer")
    parser.add_argument("--repeat", type=int, default=10, help="first tokens in each round")
    parser.add_argument("--seed", type=int, default=0, help="of the prompts")
    options = parser.parse_args()
    values = {"model": options.model, "parallel": options.streams, "context": CONTEXT}
    with tempfile.TemporaryDirectory() as folder:
        environ = {"EDGELLM_HOME": folder, "EDGELLM_OFFLINE": "1"}
        with serve(COMMAND, values, Path(folder) / "server.log", environ) as server:
            rounds = asyncio.run(measure(server, options))
    results = figures(rounds)
    print_table(("figure", "median"), [(name, number(value)) for name, value in results.items()])
    print_json("overhead", {**vars(options), "model": options.model.name}, results)


if __name__ == "__main__":
    main()
