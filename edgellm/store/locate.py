"""Which files a repository of the hub or an address has to offer, as what could be pulled.

Knows names, sizes and digests; what a user may write is `catalog.reference`'s to know.
"""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

from edgellm.errors import ConfigError, RemoteNotFound
from edgellm.store.gguf_names import all_parts, choose, is_first_part, quant_of
from edgellm.store.model import RemoteFile, Wanted, checked_path
from edgellm.store.sources.http import public
from edgellm.store.sources.huggingface import PREFIX, Repository


def named_in(
    repository: Repository, revision: str = "main", *, path: str = "", quant: str = ""
) -> Wanted:
    """The model of a path, or the one of a quantisation.

    Raises:
        RemoteNotFound: there is none, or several; the hint lists what there is.
    """
    source = f"{PREFIX}{repository.repo}"
    if not path:
        path = choose([file.path for file in repository.files], quant, source)[0]
        return _wanted(repository, revision, path)
    if path not in {file.path for file in repository.files}:
        models = [file.path for file in repository.files if is_first_part(file.path)]
        there = f"There are: {', '.join(models[:12])}." if models else "It has no GGUF file."
        raise RemoteNotFound(f"{source} has no file {path} at revision {revision}.", there)
    return _wanted(repository, revision, all_parts(path)[0], is_path=True)


def all_in(repository: Repository, revision: str = "main") -> tuple[Wanted, ...]:
    """The GGUF models that one can name by their quantisations; or the only model.

    Raises:
        RemoteNotFound: there is no model, or none has a name of its own.
    """
    models = [file.path for file in repository.files if is_first_part(file.path)]
    quants = [quant_of(path) for path in models]
    clear = [path for path in models if quant_of(path) and quants.count(quant_of(path)) == 1]
    if not clear:
        return (named_in(repository, revision),)
    return tuple(_wanted(repository, revision, path) for path in clear)


def _wanted(repository: Repository, revision: str, path: str, *, is_path: bool = False) -> Wanted:
    """With the sizes and digests that the hub says."""
    known = {file.path: file for file in repository.files}
    source = f"{PREFIX}{repository.repo}"
    at = "" if revision == "main" else f"@{revision}"
    quant = quant_of(path)
    files = []
    for part in all_parts(path):
        if part not in known:
            raise RemoteNotFound(
                f"{source} has {path}, but not {part}, which belongs to it.",
                "Its upload may not be complete: choose another quantisation.",
            )
        files.append(RemoteFile(part, known[part].size_bytes, known[part].sha256 or None))
    return Wanted(
        name=f"{source}{at}/{path}" if is_path or not quant else f"{source}{at}:{quant}",
        source=source,
        files=tuple(files),
        revision=revision,
        backend="llama_cpp" if path.lower().endswith(".gguf") else "",
        quant=quant,
    )


def at_address(url: str) -> Wanted:
    """The file, and all parts of it if it is the part of a split GGUF.

    Raises:
        ConfigError: the address names no file.
    """
    parts = urlsplit(url)
    folder, _, name = parts.path.rpartition("/")
    if not name or not parts.netloc:
        raise ConfigError(f"{url} names no file.", "The address must end in its name.")
    base = parts._replace(path=folder or "/").geturl()
    paths = all_parts(checked_path(unquote(name)))
    return Wanted(
        name=public(url),
        source=base,
        files=tuple(RemoteFile(path) for path in paths),
        backend="llama_cpp" if paths[0].lower().endswith(".gguf") else "",
        quant=quant_of(paths[0]),
    )
