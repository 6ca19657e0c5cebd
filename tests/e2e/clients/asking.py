"""What every client asks of the built-in model: a fact, a tool, and an object of a schema."""

from __future__ import annotations

import json
from typing import Any

import jsonschema

FACT = "How much memory does a 7B model at Q4_K_M need?"
WEATHER = "What is the weather in Lisbon?"
RESULT = '{"temperature": 21}'
FORM = "Fill in the form."
CITY: dict[str, Any] = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
}
TOOL: dict[str, Any] = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Get the current weather in a city",
        "parameters": CITY,
    },
}
FORECAST: dict[str, Any] = {  # no answer to it is endless, however hot the model
    "title": "forecast",
    "type": "object",
    "properties": {"city": {"type": "string", "maxLength": 12}, "days": {"enum": [1, 2, 3]}},
    "required": ["city", "days"],
    "additionalProperties": False,
}


def is_the_fact(text: str) -> bool:
    return "GB" in text and any(number in text for number in ("4.2", "4.3", "4.4", "4.5"))


def check_forecast(answer: str | dict[str, Any]) -> None:
    jsonschema.validate(json.loads(answer) if isinstance(answer, str) else answer, FORECAST)
