"""Fills in what a request left open: the request's wish, else the model's own, else ours."""

from __future__ import annotations

import secrets

import msgspec

from edgellm.types import Sampling

# llama-server's defaults: what users of GGUF models are used to.
DEFAULTS = Sampling(
    temperature=0.8, top_k=40, top_p=0.95, min_p=0.05, typical_p=1.0, repeat_penalty=1.0
)


def resolve(wish: Sampling, model: Sampling) -> Sampling:
    """`wish` with every None among the samplers replaced, and a seed."""
    names = ("temperature", "top_k", "top_p", "min_p", "typical_p", "repeat_penalty")
    filled = {
        name: next(
            value
            for source in (wish, model, DEFAULTS)
            if (value := getattr(source, name)) is not None
        )
        for name in names
    }
    seed = wish.seed if wish.seed is not None else secrets.randbits(32)
    return msgspec.structs.replace(wish, **filled, seed=seed)
