"""The models that a server knows by its command line, and the memory that they may take."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgellm.assets import catalog_file
from edgellm.catalog.card import Catalog
from edgellm.catalog.load import load_catalog
from edgellm.cli.memory import memory_budget
from edgellm.cli.models import LocalModels
from edgellm.cli.stored import StoredModels
from edgellm.errors import ModelInUse, ModelNotFound
from edgellm.hardware.profile import Memory
from edgellm.planner.goal import Plan
from edgellm.serving.resolver import ServedModel
from edgellm.store.store import Store
from edgellm.types import EngineOptions
from tests.support.gguf_bytes import gguf_bytes

MIB, GIB = 2**20, 2**30
FIRST = ServedModel("first", Path("/models/first.gguf"), aliases=("one",))
SECOND = ServedModel("second", Path("/models/other-name.gguf"))


def models(folder: Path | None = None, asked: list[Path] | None = None) -> LocalModels:
    def options_of(model: ServedModel, _plan: Plan | None) -> EngineOptions:
        if asked is not None:
            asked.append(model.path)
        return EngineOptions(context=len(model.path.stem))

    stored = StoredModels(Store(folder), Catalog(())) if folder is not None else None
    return LocalModels((FIRST, SECOND), stored, options_of)


@pytest.mark.parametrize("name", ["", "auto", "default", "first", "one", "first.gguf"])
def test_the_names_of_the_default(name: str) -> None:
    found = models().resolve(name)
    assert (found.id, found.path, found.options.context) == ("first", FIRST.path, 5)


def test_a_name_that_leads_nowhere_tells_those_that_lead_somewhere() -> None:
    with pytest.raises(ModelNotFound) as caught:
        models().resolve("third")
    assert caught.value.hint == "Served here: first, second."


def test_a_folder_s_files_are_models_as_soon_as_they_are_there(tmp_path: Path) -> None:
    local = models(tmp_path)
    assert [model.id for model in local.models()] == ["first", "second"]
    for name in (
        "new.gguf",
        "first.gguf",
        "big-00001-of-00002.gguf",
        "big-00002-of-00002.gguf",
        "notes.txt",
    ):
        (tmp_path / name).touch()
    (tmp_path / "folder.gguf").mkdir()
    ids = [model.id for model in local.models()]
    assert ids == ["first", "second", "big-00001-of-00002", "new"]
    assert local.resolve("new").path == (tmp_path / "new.gguf").resolve()
    assert local.resolve("new.gguf").id == "new"
    assert local.resolve("first").path == FIRST.path  # the one that was named has the name
    (tmp_path / "new.gguf").unlink()
    with pytest.raises(ModelNotFound):
        local.resolve("new")


def test_a_path_is_no_name(tmp_path: Path) -> None:
    (tmp_path / "new.gguf").touch()
    for name in (str(tmp_path / "new.gguf"), "../new.gguf", "./new.gguf"):
        with pytest.raises(ModelNotFound):
            models(tmp_path).resolve(name)


def test_options_are_asked_for_once() -> None:
    asked: list[Path] = []
    local = models(asked=asked)
    for name in ("first", "one", "second", "first"):
        local.resolve(name)
    assert asked == [FIRST.path, SECOND.path]


def test_the_budget_follows_what_other_programs_take() -> None:
    memory = Memory(1 * GIB, 1 * GIB)

    def probe() -> Memory:
        return memory

    budget = memory_budget("", probe)
    start = 1 * GIB - 256 * MIB
    assert budget(0) == start
    memory = Memory(1 * GIB, 700 * MIB)  # our engines took 324 MiB of it
    assert budget(324 * MIB) == start
    assert budget(300 * MIB) == start - 24 * MIB  # others took 24
    memory = Memory(1 * GIB, 2 * GIB)
    assert budget(0) == start  # what has become free since is not ours
    memory = Memory(1 * GIB, 10 * MIB)
    assert budget(0) == 0
    memory = Memory(None, None)
    assert budget(0) is None


def test_a_limit_of_the_user_s_is_taken_as_it_is() -> None:
    def probe() -> Memory:
        raise AssertionError("nobody needs to know")

    assert memory_budget("1.5GiB", probe)(10**12) == 3 * GIB // 2


def test_the_hint_knows_the_names_of_ollama_s_library(tmp_path: Path) -> None:
    stored = StoredModels(Store(tmp_path), load_catalog(catalog_file()))
    assert stored.hint("qwen3:4b") == "It is in the catalogue: edgellm pull qwen3-4b"
    assert stored.hint("hf.co/owner/repo") == ""


def test_what_was_released_may_be_removed_though_it_was_served(tmp_path: Path) -> None:
    store, source = Store(tmp_path / "models"), tmp_path / "own.gguf"
    source.write_bytes(gguf_bytes(4096))
    pulled = store.take_in(source)
    local = models(tmp_path / "models")
    served = local.resolve(pulled.name)
    assert not local.is_named(served)
    assert local.is_named(FIRST)
    with pytest.raises(ModelInUse):
        store.remove(pulled)
    local.release(served)
    assert store.remove(pulled) > 0
