"""What schemathesis is told about our API: which model there is, so that requests reach it.

Loaded by schemathesis itself (`SCHEMATHESIS_HOOKS`), not by pytest.
"""

from __future__ import annotations

from typing import Any

import schemathesis


@schemathesis.hook
def map_body(context: Any, body: Any) -> Any:
    """Any name becomes the name of the model; what is not a name stays as it is."""
    if isinstance(body, dict) and isinstance(body.get("model"), str):
        body["model"] = "pocket"
    return body


@schemathesis.hook
def map_path_parameters(context: Any, path_parameters: Any) -> Any:
    if isinstance(path_parameters, dict) and isinstance(path_parameters.get("model_id"), str):
        path_parameters["model_id"] = "pocket"
    return path_parameters
