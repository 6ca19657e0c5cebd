"""What llama-quantize makes of the built-in model, as digests of the tensors' bytes.

    python -m tests.quant.golden LLAMA_QUANTIZE    writes golden.json anew

llama.cpp rounds a little differently where the CPU has no fused multiply-add, so the digests hold
for x86-64 with FMA.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from edgellm.assets import builtin_model
from edgellm.store.gguf_header import read_header

FILE = Path(__file__).with_name("golden.json")


def tensor_digest(path: Path) -> str:
    """Of names, types, shapes and bytes; metadata may differ."""
    header = read_header(path)
    digest = hashlib.sha256()
    with path.open("rb") as file:
        for tensor in header.tensors:
            digest.update(f"{tensor.name} {tensor.type} {tensor.shape}\n".encode())
            file.seek(header.data_offset + tensor.offset)
            digest.update(file.read(tensor.size_bytes))
    return digest.hexdigest()


def golden() -> dict[str, str]:
    """By file type."""
    found: dict[str, str] = json.loads(FILE.read_text())
    return found


def has_fma() -> bool:
    """Whether the digests hold here."""
    try:
        return " fma " in Path("/proc/cpuinfo").read_text()
    except OSError:
        return False


def main(program: str) -> None:
    from edgellm_quant.file_types import file_types

    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in file_types():
            target = Path(folder) / "made.gguf"
            command = (program, str(builtin_model()), str(target), name)
            done = subprocess.run(command, capture_output=True, check=False)
            if done.returncode == 0:
                found[name] = tensor_digest(target)
            sys.stdout.write(f"{name}: {found.get(name, 'not made')}\n")
    FILE.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
