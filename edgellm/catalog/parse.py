"""The text of a `models.yaml` -> a Catalog. Every mistake is an error that names its line.

Knows YAML's nodes and msgspec's messages; files are `load.py`'s business.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from difflib import get_close_matches

import msgspec
import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from edgellm.catalog.card import Catalog, Measured, ModelCard, ModelFile, Requires, Shape, Variant
from edgellm.errors import ConfigError

# libyaml's loader is ten times faster; PyYAML has it wherever it was built with the library.
_Loader: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_KEYS = sorted(
    {
        field.encode_name
        for struct in (Catalog, ModelCard, Variant, ModelFile, Requires, Shape, Measured)
        for field in msgspec.structs.fields(struct)
    }
)


def parse_catalog(text: str, where: str) -> Catalog:
    """The catalogue that the text describes.

    Args:
        where: what errors call it, e.g. its path.

    Raises:
        ConfigError: not YAML, a key twice, an unknown key, a wrong type, or two cards of one name.
    """
    root, value = _load(text, where)
    for key in _keys_given_twice(root):
        raise ConfigError(f"{where}:{_line(key)}: '{key.value}' is given twice.", "Keep one.")
    try:
        catalog = msgspec.convert(value, Catalog)
    except msgspec.ValidationError as error:
        raise _explain(error, root, where) from error
    _check_names(catalog, root, where)
    return catalog


def _load(text: str, where: str) -> tuple[Node, object]:
    loader = _Loader(text)
    try:
        root = loader.get_single_node()
        if root is None:
            raise ConfigError(f"{where} is empty.", "It must begin with `models:`.")
        return root, loader.construct_document(root)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        last = max(1, len(text.splitlines()))  # libyaml counts one more at the end
        line = f":{min(mark.line + 1, last)}" if mark else ""
        raise ConfigError(f"{where}{line} is not valid YAML: {error.problem}.") from error
    except (yaml.YAMLError, ValueError) as error:
        raise ConfigError(f"{where} is not valid YAML: {error}.") from error
    finally:
        loader.dispose()


def _keys_given_twice(node: Node) -> Iterator[ScalarNode]:
    """YAML lets the last one win; here nothing is dropped silently."""
    if isinstance(node, MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if isinstance(key, ScalarNode):
                if key.value in seen:
                    yield key
                seen.add(key.value)
            yield from _keys_given_twice(value)
    elif isinstance(node, SequenceNode):
        for item in node.value:
            yield from _keys_given_twice(item)


def _explain(error: msgspec.ValidationError, root: Node, where: str) -> ConfigError:
    """msgspec ends its messages in the place: "... - at `$.models[2].shape.layers`"."""
    message, _, place = str(error).partition(" - at ")
    node = _follow(root, place.strip("`"))
    unknown = re.search(r"unknown field `(\w+)`", message)
    hint = ""
    if unknown:
        node = _key_node(node, unknown[1])
        message = f"unknown key '{unknown[1]}'"
        near = get_close_matches(unknown[1], _KEYS, n=1)
        hint = f"Did you mean '{near[0]}'?" if near else f"Known keys: {', '.join(_KEYS)}."
    path = place.strip("`").removeprefix("$").removeprefix(".")
    return ConfigError(f"{where}:{_line(node)}: {message}{f' ({path})' if path else ''}.", hint)


def _follow(node: Node, path: str) -> Node:
    """The node at msgspec's path, or the nearest one above it."""
    for name, index in re.findall(r"\.(\w+)|\[(\d+|\.\.\.)\]", path):
        if name and isinstance(node, MappingNode):
            found = [value for key, value in node.value if key.value == name]
        elif index.isdecimal() and isinstance(node, SequenceNode):
            found = node.value[int(index) :]
        else:
            found = []
        if not found:
            return node
        node = found[0]
    return node


def _key_node(node: Node, name: str) -> Node:
    keys = (key for key, _ in node.value) if isinstance(node, MappingNode) else ()
    return next((key for key in keys if key.value == name), node)


def _line(node: Node) -> int:
    return int(node.start_mark.line) + 1


def _check_names(catalog: Catalog, root: Node, where: str) -> None:
    """Ids and aliases are one set of names."""
    owners: dict[str, str] = {}
    for index, card in enumerate(catalog.models):
        for name in card.names:
            if name in owners:
                line = _line(_follow(root, f"$.models[{index}]"))
                raise ConfigError(
                    f"{where}:{line}: more than one model is called {name}: "
                    f"{owners[name]} and {card.id}.",
                    "Give one of them another id or alias.",
                )
            owners[name] = card.id
