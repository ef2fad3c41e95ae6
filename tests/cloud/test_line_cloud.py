"""The cloud's table of steps, and what it may write to its log."""

from __future__ import annotations

import ast
import importlib
import io
import json

from cloud.line import STEPS
from cloud.log import make_log


def test_each_step_is_claimed_by_its_module() -> None:
    """Steps 8 to 13 in order, and each module's docstring begins with its step."""
    assert [8, 9, 10, 11, 12, 13] == [step.number for step in STEPS]
    for step in STEPS:
        module = importlib.import_module(step.module)
        assert (module.__doc__ or "").startswith(f"Step {step.number} of 13: {step.name}.")


def test_log_keeps_allowed_keys_only() -> None:
    """A key that is not on the list never reaches the log, and the line says that one was left out."""
    stream = io.StringIO()
    make_log(stream).info("image_refused", trace_id="ab", patient_name="MUSTERMANN")
    line = json.loads(stream.getvalue())
    assert (line["event"], line["trace_id"], line["reason"]) == ("image_refused", "ab", "KEY_NOT_ALLOWED")
    assert "MUSTERMANN" not in stream.getvalue()


def test_module_names_are_python() -> None:
    """Each module of the table can be found."""
    assert all(ast.parse(f"import {step.module}") for step in STEPS)
