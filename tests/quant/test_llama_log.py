"""llama.cpp's talk."""

from __future__ import annotations

from edgellm_quant.llama_log import (
    Failure,
    FellBack,
    Lines,
    NeedsMatrix,
    NoWeights,
    TensorBegun,
    understand,
)


def test_a_tensor() -> None:
    line = "[   3/  65] blk.0.attn_k.weight    - [   256,    128,      1,      1], type =    f16, "
    assert understand(line + "converting to q4_K .. ") == TensorBegun(
        3, 65, "blk.0.attn_k.weight", (256, 128, 1, 1), "F16", ""
    )
    assert understand(line + "size =     0.06 MiB ->     0.02 MiB (q4_K)") == TensorBegun(
        3, 65, "blk.0.attn_k.weight", (256, 128, 1, 1), "F16", "Q4_K"
    )
    kept = understand(line + "size =    0.063 MiB")
    assert isinstance(kept, TensorBegun)
    assert kept.target == "F16"


def test_warnings() -> None:
    line = (
        "warning: blk.0.ffn_up.weight                  - ncols     64 not divisible by 256 "
        "(required for type    q4_K) -> falling back to    q5_0"
    )
    assert understand(line) == FellBack("blk.0.ffn_up.weight", 64, 256, "Q4_K", "Q5_0")
    line = line.replace("-> falling", "(WARNING: must use F16 due to unusual shape) -> falling")
    assert isinstance(understand(line), FellBack)
    text = "WARNING: dry run completed, but completing this quantization will require an imatrix!"
    assert understand(text) == NeedsMatrix()
    assert understand("====== f: did not find weights for output.weight") == NoWeights(
        "output.weight"
    )
    assert understand("llama_model_quantize: failed to quantize: no\n") == Failure("no")
    begun = "[   1/   9] output.weight - [ 64, 8, 1, 1], type = f16, converting to q8_0 .. "
    failed = begun + "llama_model_quantize: failed to quantize: iostream error"
    assert understand(failed) == Failure("iostream error")
    assert understand("llama_model_loader: loaded meta data") is None


def test_lines_come_in_pieces() -> None:
    lines = Lines()
    assert lines.take("a") == []
    assert lines.unfinished == "a"
    assert lines.take("b\nc\nd") == ["ab", "c"]
    assert lines.unfinished == "d"
