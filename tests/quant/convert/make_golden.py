"""Writes what llama.cpp's own converter makes of the tiny checkpoints, for the tests to compare.

    python -m tests.quant.convert.make_golden LLAMA_CPP [CASE...]

Needs torch, transformers and sentencepiece, which the tests themselves do not; LLAMA_CPP is the
folder with its `convert_hf_to_gguf.py`.

One key is not its own word. It knows how text is cut (`tokenizer.ggml.pre`) by a hash over real
vocabularies, and would refuse the tiny ones, so that question is answered for it here and the key
is left out of what is compared. `test_pre_tokenizer.py` and `test_runs.py` are about that key.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.quant.convert.checkpoints import CASES, write_checkpoint
from tests.quant.convert.digest import digest

GOLDEN = Path(__file__).parents[1] / "golden" / "convert"
ANSWERED = "tokenizer.ggml.pre"
ALL_DTYPES = ("llama2", "qwen3", "gemma3", "phi35")  # the others in F16 alone
_RUN = """
import sys
folder, checkpoint, dtype, target = sys.argv[1:]
sys.path.insert(0, folder)
import convert_hf_to_gguf as converter
import conversion.base
conversion.base.TextModel.get_vocab_base_pre = lambda self, tokenizer: 'default'
sys.argv = ["convert", checkpoint, "--outtype", dtype, "--outfile", target]
converter.main()
"""


def main(llama_cpp: str, *names: str) -> None:
    GOLDEN.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        for name in names or CASES:
            checkpoint = write_checkpoint(name, Path(folder))
            made = {}
            for dtype in ("f16", "bf16", "f32") if name in ALL_DTYPES else ("f16",):
                target = Path(folder) / f"{name}-{dtype}.gguf"
                arguments = [llama_cpp, str(checkpoint), dtype, str(target)]
                subprocess.run([sys.executable, "-c", _RUN, *arguments], check=True)
                made[dtype] = digest(target)
                del made[dtype]["metadata"][ANSWERED]
            (GOLDEN / f"{name}.json").write_text(_compact(made))


def _compact(made: dict[str, dict[str, dict[str, object]]]) -> str:
    """JSON with a line for each key and each tensor."""
    dtypes = []
    for dtype, parts in made.items():
        sections = []
        for part, entries in parts.items():
            lines = [
                f"   {json.dumps(name)}: {json.dumps(value, ensure_ascii=False)}"
                for name, value in entries.items()
            ]
            sections.append(f'  "{part}": {{\n' + ",\n".join(lines) + "\n  }")
        dtypes.append(f' "{dtype}": {{\n' + ",\n".join(sections) + "\n }")
    return "{\n" + ",\n".join(dtypes) + "\n}\n"


if __name__ == "__main__":
    main(*sys.argv[1:])
