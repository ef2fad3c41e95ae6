"""Step 13 of 13: console. Completes the API's description with what every address answers before its own code runs.

The door refuses, a request of another form is not understood, and a busy server says so: FastAPI knows of none of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from cloud.console.api.access import RULES, UNLIMITED, Rule, Standing

_JSON: Final = "application/json"
_PROBLEM: Final = {"$ref": "#/components/schemas/Problem"}
_REFUSED: Final = {"$ref": "#/components/schemas/Refused"}
_INVALID: Final = {"$ref": "#/components/schemas/HTTPValidationError"}
_WORDS: Final[Mapping[int, str]] = {
    401: "Not signed in, or the session has ended, or the token is not taken.",
    403: "Not allowed, or not asked by the console's own page.",
    423: "The session is locked.",
    429: "Too many requests or tries; Retry-After says when.",
    503: "The server is busy; Retry-After says when to ask again.",
}


def complete(document: dict[str, Any]) -> dict[str, Any]:
    """The document with every refusal that each of its addresses may answer, all of them as JSON."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            answers = operation["responses"]
            _as_json(answers)
            for status in _refusals(RULES[method.upper(), path], path):
                schema = _PROBLEM if status == 503 else _REFUSED
                made = {"description": _WORDS[status], "content": {_JSON: {"schema": schema}}}
                answers.setdefault(str(status), made)
            if "422" in answers:
                _any_form(answers["422"])
            operation["responses"] = dict(sorted(answers.items()))
    return document


def _refusals(rule: Rule, path: str) -> list[int]:
    """Statuses that come before the address's own code."""
    if path.startswith(UNLIMITED):
        return []
    if rule.standing in (Standing.OPEN, Standing.ANYBODY):
        return [403, 429, 503]
    return [401, 403, 423, 429, 503]


def _as_json(answers: dict[str, Any]) -> None:
    """Errors are JSON, whatever a good answer is."""
    for status, answer in answers.items():
        if status < "400":
            continue
        content = answer.get("content", {})
        schema = next((each.get("schema") for each in content.values() if each.get("schema")), _PROBLEM)
        answer["content"] = {_JSON: {"schema": schema}}


def _any_form(answer: dict[str, Any]) -> None:
    """What cannot be used: by its form, by a rule of names and passwords, or as the address says."""
    own = answer["content"][_JSON]["schema"]
    forms = [_INVALID, _REFUSED, *([own] if own not in (_INVALID, _REFUSED) else [])]
    answer["content"][_JSON]["schema"] = {"anyOf": forms}
