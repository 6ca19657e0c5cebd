"""An engine process for faults: speaks the protocol, and misbehaves as its model's path says.

Run as a script by `EngineProcess(command=...)`. The prompt's first piece is echoed word by word;
the tokens are the words' numbers, so that an answer can go on where another engine was.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from edgellm.protocol import (
    Accepted,
    Cancel,
    Delta,
    Detokenize,
    Done,
    Failed,
    Generate,
    Load,
    ModelInfo,
    Progress,
    Ready,
    Shutdown,
    Texts,
    Tokenize,
    Tokens,
    encode_frames,
    read_frame,
)
from edgellm.types import Timings, Usage

INFO = ModelInfo(
    description="scripted",
    architecture="none",
    num_params=0,
    size_bytes=0,
    num_layers=0,
    context=100,
    trained_context=100,
    parallel=4,
    vocab_size=10,
    chat_template=None,
    bos_token="",
    eos_token="",
    control_tokens=(),
)


def send(*messages: object) -> None:
    sys.stdout.buffer.write(encode_frames(messages))  # type: ignore[arg-type]
    sys.stdout.buffer.flush()


def generate(request: Generate) -> None:
    words = str(request.prompt[0]).split()
    send(Accepted(request.id, len(words)))
    for index, word in list(enumerate(words))[len(request.generated) :]:
        match word.split(":"):
            case ["die"]:
                os.kill(os.getpid(), 9)
            case ["die-once", path] if not Path(path).exists():
                Path(path).touch()
                os.kill(os.getpid(), 9)
            case ["exit"]:
                sys.stderr.write("last words of the engine\n")
                sys.exit(7)
            case ["garbage"]:
                sys.stdout.buffer.write(b"this is no frame at all")
                sys.stdout.buffer.flush()
            case ["fail"]:
                send(Failed(request.id, "internal", "it failed", "try another"))
                return
            case ["hang"]:
                return
        send(Delta(request.id, word, tokens=(index,)))
    send(Done(request.id, "stop", Usage(len(words), len(words)), Timings()))


def tokenize(request: Tokenize) -> None:
    """A token for each word, the number of its letters."""
    for word in str(request.pieces[0]).split():
        match word.split(":"):
            case ["die"]:
                os.kill(os.getpid(), 9)
            case ["die-once", path] if not Path(path).exists():
                Path(path).touch()
                os.kill(os.getpid(), 9)
            case ["fail"]:
                send(Failed(request.id, "invalid_request", "it failed", param="content"))
                return
            case ["hang"]:
                return
    words = " ".join(str(piece) for piece in request.pieces).split()
    send(Tokens(request.id, tuple(len(word) for word in words)))


def load(request: Load) -> None:
    behaviour = Path(request.path).name
    if behaviour == "broken":
        send(Failed(None, "load", "it is broken", "mend it"))
        sys.exit(1)
    if behaviour == "dies-once" and not Path(request.path + ".died").exists():
        Path(request.path + ".died").touch()
        sys.exit(1)
    if behaviour == "dies-always":
        sys.exit(1)
    if behaviour == "slow":
        send(Progress(0.5))
        time.sleep(1.0)
    if behaviour == "noisy":
        sys.stderr.write("x" * 1_000_000 + "\n")
        sys.stderr.flush()
    send(Progress(1.0), Ready(INFO, 0.1))


def main() -> None:
    while (message := read_frame(sys.stdin.buffer.read)) is not None:
        match message:
            case Load():
                load(message)
            case Generate():
                generate(message)
            case Tokenize():
                tokenize(message)
            case Detokenize():
                send(Texts(message.id, tuple(b"x" * token for token in message.tokens)))
            case Cancel():
                Path(os.environ.get("CANCEL_LOG", os.devnull)).write_text(str(message.id))
            case Shutdown():
                return


if __name__ == "__main__":
    main()
