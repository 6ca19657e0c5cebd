"""Saved prefixes survive a restart; broken, foreign and too many files do no harm."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgellm.backends import load_backend
from edgellm.backends.llama_cpp import LlamaCppBackend
from edgellm.engine.loop import Engine
from edgellm.engine.prefix_store import PrefixStore
from edgellm.protocol import Delta, Done, Generate
from edgellm.types import EngineOptions, Sampling

PREFIXES = [((1, 2, 3), b"x" * 100), ((4, 5), b"y" * 100)]


def test_what_is_saved_is_loaded_by_the_same_key_only(tmp_path: Path) -> None:
    PrefixStore(tmp_path, "model a", 10_000).save(PREFIXES)
    PrefixStore(tmp_path, "model b", 10_000).save(PREFIXES[:1])
    assert sorted(PrefixStore(tmp_path, "model a", 10_000).load()) == PREFIXES
    assert list(PrefixStore(tmp_path, "model c", 10_000).load()) == []


def test_a_new_save_replaces_the_old_one(tmp_path: Path) -> None:
    store = PrefixStore(tmp_path, "a", 10_000)
    store.save(PREFIXES)
    store.save(PREFIXES[1:])
    assert list(store.load()) == PREFIXES[1:]


def test_only_the_owner_may_read(tmp_path: Path) -> None:
    folder = tmp_path / "new"
    PrefixStore(folder, "a", 10_000).save(PREFIXES)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}


@pytest.mark.parametrize("kept", [0, 20, 40, 100])
def test_a_file_that_was_cut_off_is_deleted_and_not_loaded(tmp_path: Path, kept: int) -> None:
    store = PrefixStore(tmp_path, "a", 10_000)
    store.save(PREFIXES[:1])
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:kept])
    assert list(store.load()) == []
    assert list(tmp_path.iterdir()) == []


def test_the_size_is_bounded_over_all_models(tmp_path: Path) -> None:
    PrefixStore(tmp_path, "old model", 10_000).save([((index,), b"x" * 300) for index in range(5)])
    store = PrefixStore(tmp_path, "new model", 1000)
    store.save([((index,), b"z" * 400) for index in range(5)])
    assert sorted(tokens for tokens, _ in store.load()) == [(0,), (1,)]
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 1000 + 200


def test_a_folder_that_cannot_be_written_is_no_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    PrefixStore(tmp_path / "file" / "folder", "a", 1000).save(PREFIXES)
    assert "prefixes are not saved" in capsys.readouterr().err


def start(model: Path, store: PrefixStore) -> tuple[LlamaCppBackend, Engine]:
    options = EngineOptions(context=256, parallel=2, threads=1)
    backend = load_backend("llama_cpp", str(model), options, lambda _: None)
    assert isinstance(backend, LlamaCppBackend)
    engine = Engine(backend)
    engine.restore(store)
    return backend, engine


def ask(engine: Engine, prompt: str) -> tuple[str, int]:
    """The answer, and how many of the prompt's tokens were not computed."""
    engine.submit(Generate(1, (prompt,), Sampling(temperature=0, max_tokens=12)))
    text = ""
    while True:
        for message in engine.step():
            if isinstance(message, Delta):
                text += message.text
            if isinstance(message, Done):
                return text, message.usage.cached_tokens


def test_a_new_process_answers_the_old_system_prompt_at_once(pocket: Path, tmp_path: Path) -> None:
    system = "<|im_start|>system\nYou are pocket, a helpful assistant.<|im_end|>\n"
    questions = [
        f"{system}<|im_start|>user\n{question}<|im_end|>\n<|im_start|>assistant\n"
        for question in ("What is GGUF?", "What is edgellm?", "How do I start the server?")
    ]
    store = PrefixStore(tmp_path, "key", 10**8)
    backend, engine = start(pocket, store)
    expected = [ask(engine, question)[0] for question in questions]
    engine.save(store)
    backend.close()
    backend, engine = start(pocket, store)
    answers = [ask(engine, question) for question in questions]
    backend.close()
    assert [text for text, _ in answers] == expected
    assert answers[0][1] >= 15  # the system turn, to begin with


def test_a_prompt_that_was_answered_once_is_kept_too(pocket: Path, tmp_path: Path) -> None:
    system = "<|im_start|>system\nYou are pocket, a helpful assistant.<|im_end|>\n"
    store = PrefixStore(tmp_path, "key", 10**8)
    backend, engine = start(pocket, store)
    ask(engine, f"{system}<|im_start|>user\nWhat is GGUF?<|im_end|>\n<|im_start|>assistant\n")
    engine.save(store)
    backend.close()
    backend, engine = start(pocket, store)
    _, cached = ask(engine, f"{system}<|im_start|>user\nHow do I start the server?<|im_end|>\n")
    backend.close()
    assert cached >= 15


def test_no_more_states_are_taken_than_fit(tmp_path: Path) -> None:
    taken = 0

    def prefixes() -> Iterator[tuple[tuple[int, ...], bytes]]:
        nonlocal taken
        for taken in range(1, 10):
            yield (taken,), b"x" * 400

    PrefixStore(tmp_path, "a", 1000).save(prefixes())
    assert taken == 3
    assert len(list(tmp_path.iterdir())) == 2


def test_a_state_that_does_not_fit_is_left_out(tiny_model: Path, tmp_path: Path) -> None:
    store = PrefixStore(tmp_path, "key", 10**8)
    store.save([((5, 6, 7), b"no state at all"), (tuple(range(3, 250)) * 3, b"too long")])
    backend, engine = start(tiny_model, store)
    expected, cached = ask(engine, "hello")
    assert cached == 0
    assert ask(engine, "hello")[0] == expected
    backend.close()
