"""Train `pocket` on the corpus for a given number of minutes (CPU or GPU).

The learning rate follows the clock: a short warm-up, then constant, then down to zero over the last
40 % of the budget. Checkpoints are written every three minutes; `--resume` goes on from the last.
"""

from __future__ import annotations

import argparse
import os
import queue
import random
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import corpus
import torch
import torch._inductor.config
from load import Threads
from model import Pocket
from tokenizer import Coder
from torch import Tensor

WORK = Path(__file__).with_name("work")
BATCH_TOKENS = 3072
PIECES = 4
MUON_RATE, ADAM_RATE = 0.02, 0.003
DECAY = 0.45
LIMIT = 2048
BOS_CHANCE = 0.9
Batch = tuple[list[tuple[Tensor, Tensor]], int, float]


def sample(rng: random.Random, coder: Coder) -> tuple[list[int], list[float]]:
    """One document as ids and weights, mostly with the text start in front."""
    ids, weights = coder.parts(corpus.document(rng))
    if rng.random() < BOS_CHANCE:
        ids, weights = [0, *ids], [0.0, *weights]
    return ids[:LIMIT], weights[:LIMIT]


def padded(rows: list[tuple[list[int], list[float]]]) -> tuple[Tensor, Tensor]:
    """Rows of like length as two tensors."""
    longest = max(len(row[0]) for row in rows)
    ids = torch.zeros(len(rows), longest, dtype=torch.long)
    weights = torch.zeros(len(rows), longest)
    for at, (row, loss) in enumerate(rows):
        ids[at, : len(row)] = torch.tensor(row)
        weights[at, : len(row)] = torch.tensor(loss)
    return ids, thinned(weights)


def thinned(weights: Tensor) -> Tensor:
    """Only a third of the lightly weighted positions, three times as heavy: less to compute."""
    light = (weights > 0) & (weights < 0.5)
    kept = torch.rand(weights.shape) < 1 / 3
    return torch.where(light, torch.where(kept, weights * 3, 0.0), weights)


def pieces(rows: list[tuple[list[int], list[float]]]) -> list[tuple[Tensor, Tensor]]:
    """Rows sorted by length and cut into pieces of about equal numbers of tokens."""
    rows.sort(key=lambda row: len(row[0]))
    share = sum(len(row[0]) for row in rows) / PIECES
    cut: list[list] = [[]]
    for row in rows:
        if cut[-1] and sum(len(r[0]) for r in cut[-1]) + len(row[0]) > share * 1.1:
            cut.append([])
        cut[-1].append(row)
    return [padded(part) for part in cut]


def batches(seed: int) -> Iterator[Batch]:
    """Batches without end: pieces, tokens, sum of weights."""
    rng, coder = random.Random(seed), Coder()
    while True:
        rows, tokens = [], 0
        while tokens < BATCH_TOKENS:
            rows.append(sample(rng, coder))
            tokens += len(rows[-1][0])
        parts = pieces(rows)
        yield parts, tokens, float(sum(weights[:, 1:].sum() for _, weights in parts))


def ahead(source: Iterator[Batch], depth: int = 8) -> Iterator[Batch]:
    """The same batches, made in another thread."""
    store: queue.Queue[Batch] = queue.Queue(depth)
    threading.Thread(target=lambda: [store.put(item) for item in source], daemon=True).start()
    while True:
        yield store.get()


def optimisers(model: Pocket) -> list[torch.optim.Optimizer]:
    """Muon for the matrices of the layers, AdamW for the rest."""
    matrices = [p for p in model.blocks.parameters() if p.ndim == 2]
    known = {id(p) for p in matrices}
    rest = [p for p in model.parameters() if id(p) not in known]
    return [
        torch.optim.Muon(matrices, lr=MUON_RATE, momentum=0.95, weight_decay=0.02, ns_steps=5),
        torch.optim.AdamW(rest, lr=ADAM_RATE, betas=(0.9, 0.98), weight_decay=0.0),
    ]


def schedule(elapsed: float, budget: float, step: int) -> float:
    """The factor of the learning rate."""
    left = max(0.0, 1 - elapsed / budget)
    return min(1.0, (step + 1) / 60) * min(1.0, left / DECAY)


class Run:
    """The state of a training run."""

    def __init__(self, minutes: float, device: str, threads: int) -> None:
        self.device, self.budget, self.threads = device, minutes * 60, Threads(threads)
        torch._inductor.config.cpp.dynamic_threads = True
        self.model = Pocket().to(device)
        for block in self.model.blocks:
            block.compile(dynamic=True)
        self.average = {k: v.clone() for k, v in self.model.state_dict().items()}
        self.optimisers = optimisers(self.model)
        self.step, self.tokens, self.spent, self.losses = 0, 0, 0.0, 0.0
        self.stopped = False
        signal.signal(signal.SIGTERM, self.stop)

    def stop(self, *_: object) -> None:
        """Asked to end: save after this step."""
        self.stopped = True

    def save(self) -> None:
        """Write a checkpoint so that a kill never leaves half of one."""
        state = {
            "model": self.model.state_dict(),
            "average": self.average,
            "step": self.step,
            "tokens": self.tokens,
            "spent": self.spent,
            "optimisers": [o.state_dict() for o in self.optimisers],
        }
        WORK.mkdir(exist_ok=True)
        torch.save(state, WORK / "pocket.part")
        os.replace(WORK / "pocket.part", WORK / "pocket.pt")

    def load(self) -> None:
        """Go on from the last checkpoint."""
        state = torch.load(WORK / "pocket.pt", map_location=self.device)
        self.model.load_state_dict(state["model"])
        self.average = state["average"]
        self.step, self.tokens, self.spent = state["step"], state["tokens"], state["spent"]
        for optimiser, saved in zip(self.optimisers, state["optimisers"], strict=True):
            optimiser.load_state_dict(saved)

    def rate(self) -> float:
        """Set the learning rates for this moment."""
        factor = schedule(self.spent, self.budget, self.step)
        for optimiser, top in zip(self.optimisers, (MUON_RATE, ADAM_RATE), strict=True):
            for group in optimiser.param_groups:
                group["lr"] = top * factor
        return factor

    def learn(self, batch: Batch) -> float:
        """One step of the optimisers."""
        parts, tokens, total = batch
        loss = 0.0
        for ids, weights in parts:
            self.threads.adapt()
            with torch.autocast(self.device, dtype=torch.bfloat16):
                piece = self.model.loss(ids.to(self.device), weights.to(self.device)) / total
            piece.backward()
            loss += float(piece.detach())
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        for optimiser in self.optimisers:
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
        self.step, self.tokens = self.step + 1, self.tokens + tokens
        return loss

    def follow(self) -> None:
        """Let the averaged weights follow."""
        keep = min(0.995, self.step / (self.step + 10))
        with torch.no_grad():
            for key, value in self.model.state_dict().items():
                self.average[key].lerp_(value, 1 - keep)


def train(run: Run, seed: int) -> None:
    """Train until the budget is spent."""
    start, already, saved = time.time(), run.spent, time.time()
    shown, first = run.tokens, time.time()
    for batch in ahead(batches(seed + run.step)):
        factor = run.rate()
        loss = run.learn(batch)
        run.losses = 0.97 * run.losses + 0.03 * loss if run.losses else loss
        run.follow()
        run.spent = already + time.time() - start
        if run.step % 10 == 0:
            speed = (run.tokens - shown) / (time.time() - first)
            shown, first = run.tokens, time.time()
            parts = (
                f"step {run.step} {run.spent / 60:.1f} min {run.tokens / 1e6:.2f} Mtok",
                f"loss {run.losses:.3f} rate {factor:.2f}",
                f"{speed:.0f} tok/s {run.threads.now} threads",
            )
            print(*parts, flush=True)
        if time.time() - saved > 180 or run.spent >= run.budget or run.stopped:
            run.save()
            saved = time.time()
        if run.spent >= run.budget or run.stopped:
            return


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=95)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--resume", action="store_true")
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    run = Run(args.minutes, "cuda" if torch.cuda.is_available() else "cpu", args.threads)
    if args.resume:
        run.load()
    train(run, args.seed)


if __name__ == "__main__":
    main()
