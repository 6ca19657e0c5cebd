"""The search on a scripted device: margins, failures, budgets. No clock but the script's."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from edgellm.errors import ConfigError, EngineCrashed, EngineLoadError
from edgellm.tuning.plan import TOGETHER, Chosen
from edgellm.tuning.search import MARGIN, MAX_ROUNDS, Candidate, Trial, Tuning, best, tune
from edgellm.tuning.workload import Loaded, Sample, TooSlow, Workload
from edgellm.types import EngineOptions

Speed = Callable[[EngineOptions], float]  # seconds of a token, relative to the default's


class Device:
    """A measurer whose clock only runs while it loads and computes."""

    def __init__(
        self,
        prefill: Speed = lambda _: 1.0,
        decode: Speed = lambda _: 1.0,
        *,
        token_seconds: float = 0.002,
        load_seconds: float = 0.5,
        deadline: float = 1e9,
    ) -> None:
        self.now = 0.0
        self.loads: list[EngineOptions] = []
        self.failing: Callable[[EngineOptions], bool] = lambda _: False
        self._prefill, self._decode = prefill, decode
        self._token_seconds, self._load_seconds = token_seconds, load_seconds
        self._deadline = deadline
        self._options = EngineOptions()
        self._plain: EngineOptions | None = None

    def load(self, options: EngineOptions) -> Loaded:
        plain = replace(options, threads=0, threads_batch=0)
        if plain != self._plain:
            self._pass(self._load_seconds)
            self.loads.append(plain)
        self._options, self._plain = options, plain
        if self.failing(options):
            self._plain = None
            raise EngineCrashed("It died by signal 6.")
        kv = 100 if options.kv_type == "f16" else 53
        return Loaded(2, 2, options.batch_tokens or 512, 4096, kv, 1000 if options.repack else 400)

    def measure(self, workload: Workload) -> Sample:
        token = self._token_seconds
        prefill = workload.prompt * token * self._prefill(self._options)
        decode = workload.answer * token * 5 * self._decode(self._options)
        self._pass(prefill + decode)
        return Sample(prefill, decode)

    def _pass(self, seconds: float) -> None:
        self.now += seconds
        if self.now > self._deadline:
            raise TooSlow("It did not end in the time that was left.")

    def tune(self, seconds: float = 90.0, cores: tuple[int, ...] = (1, 2)) -> Tuning:
        options = EngineOptions()
        return tune(self, options, cores, seconds, lambda _: None, lambda: self.now)


def _trial(tuning: Tuning, name: str) -> Trial:
    return next(trial for trial in tuning.trials if trial.parameter == name)


DEFAULT = Chosen(threads=2, threads_batch=2, batch_tokens=512, flash_attention="auto")


def test_equal_candidates_leave_the_defaults() -> None:
    tuning = Device().tune()
    assert tuning.chosen == tuning.default == DEFAULT
    assert [trial.parameter for trial in tuning.trials] == [
        "threads",
        "threads_batch",
        "flash_attention",
        "batch_tokens",
        "kv_type",
        "repack",
    ]
    assert all(len(c.seconds) >= 2 for trial in tuning.trials for c in trial.candidates)


@pytest.mark.parametrize(("saved", "threads"), [(MARGIN - 0.01, 2), (MARGIN + 0.01, 1)])
def test_only_a_clear_margin_replaces_the_default(saved: float, threads: int) -> None:
    tuning = Device(decode=lambda o: 1 - saved if o.threads == 1 else 1.0).tune()
    assert tuning.chosen == replace(DEFAULT, threads=threads)
    assert _trial(tuning, "threads").chosen == str(threads)


def test_parameters_are_tuned_one_after_the_other_and_together_at_the_end() -> None:
    def prefill(options: EngineOptions) -> float:
        fast = (options.threads_batch == 1) + (options.batch_tokens == 256)
        return 0.8**fast

    tuning = Device(prefill, lambda o: 0.9 if o.flash_attention == "off" else 1.0).tune()
    assert tuning.chosen == Chosen(2, 1, 256, "off")
    trial = _trial(tuning, TOGETHER)
    assert trial.chosen == "tuned"
    ratio = trial.ratio("default")
    assert ratio is not None
    assert ratio > 1


def test_what_is_slower_together_is_not_chosen() -> None:
    """A batch size that long prompts like, and ordinary requests do not."""
    tuning = Device(
        lambda o: 0.8 if o.batch_tokens == 256 else 1.0,
        lambda o: 1.5 if o.batch_tokens == 256 else 1.0,
    ).tune()
    assert _trial(tuning, "batch_tokens").chosen == "256"
    assert _trial(tuning, TOGETHER).chosen == "default"
    assert tuning.chosen == DEFAULT


def test_advice_is_measured_and_never_chosen() -> None:
    tuning = Device(lambda o: 0.5 if o.kv_type == "q8_0" or not o.repack else 1.0).tune()
    kv, repack = _trial(tuning, "kv_type"), _trial(tuning, "repack")
    assert (kv.chosen, repack.chosen) == ("f16", "yes")
    assert kv.ratio("q8_0") < 1  # type: ignore[operator]  # None fails the test too
    assert [candidate.kv_token_bytes for candidate in kv.candidates] == [100, 53]
    assert [candidate.private_bytes for candidate in repack.candidates] == [1000, 400]


def test_a_candidate_that_fails_is_reported_and_skipped() -> None:
    device = Device(lambda o: 0.5 if o.batch_tokens in (128, 1024) else 1.0, token_seconds=1e-4)
    device.failing = lambda options: options.batch_tokens == 1024
    tuning = device.tune()
    trial = _trial(tuning, "batch_tokens")
    assert [c.failure for c in trial.candidates] == ["", "", "", "It died by signal 6."]
    assert tuning.chosen.batch_tokens == 128
    assert trial.ratio("1024") is None


def test_a_default_that_fails_gives_way() -> None:
    device = Device()
    device.failing = lambda o: o.flash_attention == "auto" and len(device.loads) > 2
    assert device.tune().chosen.flash_attention == "off"


def test_a_model_that_does_not_load_is_an_error() -> None:
    class Broken(Device):
        def load(self, options: EngineOptions) -> Loaded:
            raise EngineLoadError("llama.cpp cannot load it.", "Is it complete?")

    with pytest.raises(EngineLoadError, match="cannot load"):
        Broken().tune()


@pytest.mark.parametrize("seconds", [20.0, 60.0, 300.0])
@pytest.mark.parametrize("token_seconds", [0.0001, 0.003, 0.03])
def test_the_budget_holds(seconds: float, token_seconds: float) -> None:
    device = Device(token_seconds=token_seconds)
    tuning = device.tune(seconds)
    assert device.now <= seconds * 1.2  # the last measurement may be dearer than those before
    rounds = [len(c.seconds) for trial in tuning.trials for c in trial.candidates]
    assert max(rounds) <= MAX_ROUNDS


def test_a_slow_device_gets_smaller_workloads_and_no_large_batches() -> None:
    fast, slow = Device(token_seconds=0.001).tune(), Device(token_seconds=0.02).tune()
    assert _trial(fast, "threads_batch").workload.prompt == 256
    assert _trial(slow, "threads_batch").workload.prompt < 256
    assert len(_trial(fast, "batch_tokens").candidates) == 4
    trial = _trial(slow, "batch_tokens")
    assert [candidate.label for candidate in trial.candidates] == ["512"]
    assert trial.note


@pytest.mark.parametrize("deadline", [0.1, 0.6])
def test_a_budget_that_is_too_short(deadline: float) -> None:
    with pytest.raises(ConfigError, match="too few") as caught:
        Device(deadline=deadline).tune(deadline)
    assert "--seconds" in caught.value.hint


def test_nothing_to_compare_on_one_core() -> None:
    trial = _trial(Device().tune(cores=(2,)), "threads")
    assert (len(trial.candidates), trial.chosen) == (1, "2")


@pytest.mark.parametrize(
    ("seconds", "chosen"),
    [
        ([[1.0, 1.0], [0.5]], 0),  # one measurement proves nothing
        ([[1.0], [0.5, 0.5]], 0),
        ([[1.0, 9.0, 1.0], [0.9, 0.9, 0.9]], 1),  # medians
        ([[1.0, 0.8, 1.0], [0.9, 0.9, 0.9]], 0),  # as fast as the default was once
        ([[1.0, 1.0], [0.94, 0.94], [0.9, 0.9]], 2),
        ([[], []], 0),
    ],
)
def test_best(seconds: list[list[float]], chosen: int) -> None:
    assert best([Candidate(str(index), s) for index, s in enumerate(seconds)]) == chosen
