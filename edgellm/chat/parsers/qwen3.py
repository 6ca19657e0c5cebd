"""Qwen 3: reasoning in `<think>` tags, then the answer or calls as Hermes writes them.

Where a template begins the reasoning itself, the model writes the closing tag only. Small models
forget it and call a tool while they think; a call on a line of its own counts there too. Qwen 3.5
writes calls as Qwen3-Coder does, and models of one kind know the other's, so both are read.
"""

from __future__ import annotations

from edgellm.chat.parsers.qwen3_coder import make as make
