"""Token ids for embeddings: a text as the model wants it, and a reranker's query with a document.

Pure but for the backend's tokenizer.
"""

from __future__ import annotations

import re

from edgellm.backends.base import TextEnds, TokenBackend

_FIELDS = re.compile(r"(\{query\}|\{document\})")


def text_tokens(backend: TokenBackend, text: str) -> tuple[int, ...]:
    """With what the model wants around it; control tokens' texts are plain text."""
    return tuple(backend.tokenize(text, is_first=True, parse_special=False))


def truncated(tokens: tuple[int, ...], context: int, ends: TextEnds) -> tuple[int, ...]:
    """The beginning; where the model ends every text with a token, that stays at the end."""
    if len(tokens) <= context:
        return tokens
    keeps_tail = ends.tail is not None and tokens[-1] == ends.tail and context > 1
    return (*tokens[: context - 1], tokens[-1]) if keeps_tail else tokens[:context]


def pair_tokens(
    backend: TokenBackend, ends: TextEnds, query: str, document: str
) -> tuple[int, ...]:
    """A query with a document as llama.cpp's server puts them together: by the model's own
    template, or begin, query, end, separator, document, end."""
    if ends.template is not None:
        return _by_template(backend, ends.template, query, document)
    first, second = (
        backend.tokenize(text, is_first=False, parse_special=False) for text in (query, document)
    )
    parts = ([ends.begin], first, [ends.end], [ends.separator], second, [ends.end])
    return tuple(token for part in parts for token in part if token is not None)


def _by_template(
    backend: TokenBackend, template: str, query: str, document: str
) -> tuple[int, ...]:
    """In one piece, as the model was trained; but where the texts hold what looks like a control
    token, they are tokenised by themselves, so that it stays text."""
    given = {"{query}": query, "{document}": document}
    parts = _FIELDS.split(template)
    control = [text for text in backend.model.control_tokens if text]
    if not any(text in value for value in given.values() for text in control):
        whole = "".join(given.get(part, part) for part in parts)
        return tuple(backend.tokenize(whole, is_first=False))
    return tuple(
        token
        for part in parts
        for token in backend.tokenize(
            given.get(part, part), is_first=False, parse_special=part not in given
        )
    )
