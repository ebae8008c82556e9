"""Random requests after the API's own description: no server error, no answer that is not JSON, nobody left waiting."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from tests.security.conftest import Attacked

pytestmark = pytest.mark.group("S22")
LEFT_OUT = ("/sdapi/v1/server-", "/internal/downloads", "/visitor/")       # they end the server, ask other hosts, are no part of ours
MOST_SECONDS = 5.0                  # of processor time, for one request


def operations(attacked: Attacked) -> Iterator[Any]:
    import schemathesis

    description = json.loads(attacked.wire.send("GET", "/openapi.json").body)
    description["paths"] = {path: what for path, what in description["paths"].items() if not path.startswith(LEFT_OUT)}
    for found in schemathesis.openapi.from_dict(description).get_all_operations():
        yield found.ok()


def attack(attacked: Attacked, operation: Any, examples: int) -> None:
    from schemathesis import GenerationMode

    for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
        try:
            cases = operation.as_strategy(generation_mode=mode)
        except Exception as error:
            assert type(error).__name__ in ("Unsatisfiable", "InvalidArgument"), error      # nothing of this kind can be made for it
            continue

        @settings(max_examples=examples, deadline=None, database=None, derandomize=examples < 5, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
        @given(case=cases)
        def sent(case: Any) -> None:
            query = urlencode({key: value for key, value in (case.query or {}).items() if isinstance(value, str | int | float | bool)})
            body = None if not isinstance(case.body, dict | list | str | int | float | bool) else json.dumps(case.body).encode()
            path = case.formatted_path + (f"?{query}" if query else "")
            began = time.process_time()
            answer = attacked.wire.send(case.method, path, body=body, headers={"Content-Type": "application/json"} if body is not None else {})
            assert answer.status < 500, (case.method, path, (body or b"")[:500], answer.status, answer.text[:500])
            assert time.process_time() - began < MOST_SECONDS, (case.method, path, (body or b"")[:500])
            if "json" in answer.headers.get("content-type", ""):
                json.loads(answer.body)

        try:
            sent()
        except Exception as error:
            if type(error).__name__ != "Unsatisfiable":
                raise


def test_one_for_some_operations(attacked: Attacked) -> None:
    listed = list(operations(attacked))
    assert len(listed) > 60
    for operation in listed[::10]:
        attack(attacked, operation, 1)


@pytest.mark.long
def test_a_few_for_every_operation(attacked: Attacked) -> None:
    for operation in operations(attacked):
        attack(attacked, operation, 5)


@pytest.mark.long
def test_two_hundred_for_every_operation(attacked: Attacked) -> None:
    for operation in operations(attacked):
        attack(attacked, operation, 200)
    assert attacked.wire.send("GET", "/internal/ping").status == 200
