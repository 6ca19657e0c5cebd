"""Few or many allowed tokens: they are what is there, with their logits."""

from __future__ import annotations

import numpy as np
import pytest

from edgellm.backends.candidates import Candidates

NUM_VOCAB = 100


@pytest.mark.parametrize("share", [0.01, 0.3, 0.5, 0.9, 1.0])
def test_the_allowed_tokens_with_their_logits(share: float) -> None:
    generator = np.random.default_rng(0)
    candidates = Candidates(NUM_VOCAB)
    for _ in range(20):  # the buffer is used again
        logits = generator.standard_normal(NUM_VOCAB).astype(np.float32)
        allowed = generator.random(NUM_VOCAB) < share
        count = candidates.fill(logits, allowed)
        found = {int(entry["id"]): entry["logit"] for entry in candidates.entries[:count]}
        assert len(found) == count
        assert found == {int(token): logits[token] for token in np.flatnonzero(allowed)}
