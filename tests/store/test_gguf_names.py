"""Names of files as repositories really have them."""

from __future__ import annotations

import pytest

from edgellm.errors import RemoteNotFound
from edgellm.store.gguf_names import all_parts, choose, is_projector, quant_of, split_of


@pytest.mark.parametrize(
    ("path", "quant"),
    [
        ("Qwen3-0.6B-Q8_0.gguf", "Q8_0"),
        ("qwen2.5-0.5b-instruct-q4_k_m.gguf", "Q4_K_M"),
        ("Qwen3-4B-UD-Q4_K_XL.gguf", "UD-Q4_K_XL"),
        ("gemma-3-1b-it-IQ4_XS.gguf", "IQ4_XS"),
        ("Llama-3.2-1B-Instruct.Q6_K.gguf", "Q6_K"),
        ("model-IQ2_XXS.gguf", "IQ2_XXS"),
        ("BF16/Qwen3-8B-BF16-00001-of-00002.gguf", "BF16"),
        ("Q5_K_M/model-00001-of-00003.gguf", "Q5_K_M"),
        ("gpt-oss-20b-mxfp4.gguf", "MXFP4"),
        ("tinyllama.gguf", ""),
        ("Q4_K_Mistake.gguf", ""),
    ],
)
def test_the_quantisation_in_a_name(path: str, quant: str) -> None:
    assert quant_of(path) == quant


def test_parts_of_a_split_file() -> None:
    split = split_of("a/model-Q4_0-00002-of-00003.gguf")
    assert split is not None
    assert split.names[2] == "a/model-Q4_0-00003-of-00003.gguf"
    assert split_of("model.gguf") is None
    assert split_of("model-00001-of-00000.gguf") is None
    assert all_parts("x.gguf") == ("x.gguf",)
    assert len(all_parts("x-00001-of-00002.gguf")) == 2


FILES = (
    "README.md",
    "mmproj-F16.gguf",
    "big-Q8_0-00001-of-00002.gguf",
    "big-Q8_0-00002-of-00002.gguf",
    "m-Q4_K_M.gguf",
    "m-Q6_K.gguf",
    "imatrix-F16.gguf",
    "other-F16.gguf",
)


def test_the_files_of_a_quantisation() -> None:
    assert choose(FILES, "", "repo") == ("m-Q4_K_M.gguf",)
    assert choose(FILES, "q6_k", "repo") == ("m-Q6_K.gguf",)
    assert choose(FILES, "Q8_0", "repo") == FILES[2:4]
    assert choose(("only.gguf",), "", "repo") == ("only.gguf",)
    assert is_projector("sub/mmproj-model-f16.gguf")


@pytest.mark.parametrize(
    ("files", "quant", "message", "hint"),
    [
        (FILES, "Q5_K_M", "repo has no GGUF of Q5_K_M", "F16, Q4_K_M, Q6_K, Q8_0"),
        (FILES, "F16", "repo has 2 models of F16", "imatrix-F16.gguf, other-F16.gguf"),
        (("README.md",), "", "has no GGUF file", "-GGUF"),
        (("a-Q8_0.gguf", "b.gguf"), "", "Q4_K_M, the usual choice", "Q8_0, b.gguf"),
    ],
)
def test_no_choice_lists_what_there_is(
    files: tuple[str, ...], quant: str, message: str, hint: str
) -> None:
    with pytest.raises(RemoteNotFound, match=message) as caught:
        choose(files, quant, "repo")
    assert hint in caught.value.hint
