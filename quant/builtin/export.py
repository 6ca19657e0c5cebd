"""Write the trained model as an F16 GGUF file, by default `edgellm/_assets/pocket.gguf`."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

import gguf
import numpy as np
import template
import tokenizer
import torch
from model import Shape
from torch import Tensor

ROOT = Path(__file__).resolve().parents[2]
TARGET = ROOT / "edgellm" / "_assets" / "pocket.gguf"
CHECKPOINT = Path(__file__).with_name("work") / "pocket.pt"
NAMES = {
    "attn_norm": "attn_norm",
    "q": "attn_q",
    "k": "attn_k",
    "v": "attn_v",
    "o": "attn_output",
    "ffn_norm": "ffn_norm",
    "gate": "ffn_gate",
    "up": "ffn_up",
    "down": "ffn_down",
}
TEMPERATURE = 0.2  # so small a model copies names and numbers badly when it is sampled freely
ABOUT = (
    "The built-in model of edgellm: answers on edgellm, quantisation and edge devices, remembers "
    "what the chat said, calls tools. Trained from scratch on a generated corpus."
)


def gguf_name(name: str) -> str:
    """The GGUF name of a weight."""
    if name == "embed.weight":
        return "token_embd.weight"
    if name == "norm.weight":
        return "output_norm.weight"
    _, layer, part, _ = name.split(".")
    return f"blk.{layer}.{NAMES[part]}.weight"


def add_shape(writer: gguf.GGUFWriter, shape: Shape) -> None:
    """The dimensions."""
    head = shape.width // shape.heads
    writer.add_context_length(shape.context)
    writer.add_embedding_length(shape.width)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(shape.hidden)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.kv_heads)
    writer.add_layer_norm_rms_eps(shape.eps)
    writer.add_rope_freq_base(shape.theta)
    writer.add_rope_dimension_count(head)
    writer.add_key_length(head)
    writer.add_value_length(head)
    writer.add_vocab_size(shape.vocab)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)


def add_vocabulary(writer: gguf.GGUFWriter) -> None:
    """Tokens, merges, and the ids with a meaning."""
    bpe = json.loads(tokenizer.FILE.read_text(encoding="utf-8"))["model"]
    tokens = [text for text, _ in sorted(bpe["vocab"].items(), key=lambda item: item[1])]
    control = set(template.SPECIALS)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list(tokens)
    writer.add_token_types([3 if text in control else 1 for text in tokens])
    writer.add_token_merges([m if isinstance(m, str) else " ".join(m) for m in bpe["merges"]])
    ids = bpe["vocab"]
    writer.add_bos_token_id(ids[template.TEXT_END])
    writer.add_eos_token_id(ids[template.END])
    writer.add_eot_token_id(ids[template.END])
    writer.add_pad_token_id(ids[template.TEXT_END])
    writer.add_add_bos_token(True)
    writer.add_add_eos_token(False)
    writer.add_chat_template(template.FILE.read_text(encoding="utf-8").strip())


def add_description(writer: gguf.GGUFWriter, tokens: int) -> None:
    """Who the model is."""
    writer.add_name("pocket")
    writer.add_basename("pocket")
    writer.add_version("1.0")
    writer.add_organization("edgellm")
    writer.add_description(f"{ABOUT} {tokens / 1e6:.1f} million training tokens.")
    writer.add_license("apache-2.0")
    writer.add_languages(["en"])
    writer.add_sampling_temp(TEMPERATURE)


def add_weights(writer: gguf.GGUFWriter, weights: dict[str, Tensor]) -> None:
    """Matrices in F16, norms in F32."""
    for name, value in weights.items():
        kind = np.float32 if value.ndim == 1 else np.float16
        writer.add_tensor(gguf_name(name), value.float().cpu().numpy().astype(kind))


def export(checkpoint: Path, target: Path, averaged: bool = True) -> None:
    """Write under another name first, then rename."""
    state = torch.load(checkpoint, map_location="cpu")
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_suffix(".part")
    writer = gguf.GGUFWriter(part, "llama")
    add_description(writer, state["tokens"])
    add_shape(writer, Shape())
    add_vocabulary(writer)
    add_weights(writer, state["average"] if averaged else state["model"])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    os.replace(part, target)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoint", type=Path, default=CHECKPOINT)
    parser.add_argument("--out", type=Path, default=TARGET)
    parser.add_argument("--last", action="store_true", help="the last weights, not the averaged")
    args = parser.parse_args()
    export(args.checkpoint, args.out, not args.last)
    print(f"{args.out.name}: {args.out.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
