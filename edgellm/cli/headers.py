"""The headers of GGUF files wherever they are: on a hub, at an address, on this device.

A remote one is read by HTTP ranges, some megabytes of it; the file itself is not fetched.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from edgellm.catalog.card import Variant
from edgellm.store.gguf_header import GGUFHeader, join, parse_header

if TYPE_CHECKING:
    from edgellm.store.sources.huggingface import Hub


def remote_header(variant: Variant, hub: Hub) -> GGUFHeader:
    """Of a variant's file, or of all its parts.

    Raises:
        StoreError: offline, refused, not there.
        ModelFileError: it is no GGUF that can be used.
    """
    paths = [file.path for file in variant.files]
    return join([parse_header(_reader(variant, path, hub), path) for path in paths])


def _reader(variant: Variant, path: str, hub: Hub) -> Callable[[int, int], bytes]:
    from edgellm.store.sources import http
    from edgellm.store.sources.huggingface import PREFIX

    def of_hub(start: int, length: int) -> bytes:
        repo = variant.source.removeprefix(PREFIX)
        return hub.read_range(repo, path, start, length, variant.revision)

    def of_address(start: int, length: int) -> bytes:
        return http.read_range(http.file_url(variant.source, path), start, length)

    return of_hub if variant.source.startswith(PREFIX) else of_address
