"""Step 13: the API does what its own description says: requests made from it, by an administrator and by each role.

No request makes a server error; every answer has a status, a form and a media type that the description names.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, Verbosity, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.config import SchemathesisConfig
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from cloud.accounts.roles import Role
from cloud.console.api.app import openapi_document
from tests.cloud.console.conftest import built_page, running_console
from tests.cloud.console.running import RunningConsole
from tests.cloud.console.world import Verdict

pytestmark = pytest.mark.slow

CHECKS = (
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
)
EXAMPLES = dict.fromkeys(Role, 2) | {Role.ADMINISTRATOR: 6}
ENDLESS = {"/api/events", "/api/system/events"}
"""A stream of events has no end; tests of its own read it."""


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningConsole]:
    """One server with a print in it."""
    folder = tmp_path_factory.mktemp("described")
    with running_console(folder, built_page(folder)) as running:
        running.do(running.world.result(22, Verdict()))
        yield running


def operations() -> list[Any]:
    """Every call of the description."""
    schema = schemathesis.openapi.from_dict(openapi_document(), config=SchemathesisConfig())
    found = [each.ok() for each in schema.get_all_operations()]
    return [
        pytest.param(each, id=f"{each.method.upper()} {each.path}")
        for each in found
        if each.path not in ENDLESS
    ]


@pytest.mark.parametrize("operation", operations())
def test_the_api_is_as_it_is_described(console: RunningConsole, operation: Any) -> None:
    """Valid and broken requests of every role get documented answers."""
    with console.world.database.begin() as tx:
        tx.exec_driver_sql("DELETE FROM account_try")
    for role, examples in EXAMPLES.items():
        ask_with(console, console.do(console.world.add_token(role, role.value)), operation, examples)


def ask_with(console: RunningConsole, token: str, operation: Any, examples: int) -> None:
    """Makes so many requests with this token, and checks each answer."""

    @settings(
        max_examples=examples,
        database=None,
        deadline=None,
        derandomize=True,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
        verbosity=Verbosity.quiet,
    )
    @given(case=operation.as_strategy())
    def ask(case: Any) -> None:
        answer = case.call(base_url=console.url, headers={"Authorization": f"Bearer {token}"}, timeout=20)
        case.validate_response(answer, checks=list(CHECKS))

    ask()
