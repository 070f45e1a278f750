"""The API is what its OpenAPI document says, whatever is thrown at it."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from tests.web.web_parts import Site, bot_row, monitor
from utils.home import CHECKOUT, Home
from web.openapi import OPERATIONS, document

TOKEN = "t" * 40
TEMPLATE = json.loads((CHECKOUT / "config" / "templates" / "paper_market_maker.json").read_text())


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    root: Path = tmp_path_factory.mktemp("api")
    home = Home(root)
    home.active.mkdir(parents=True)
    config = copy.deepcopy(TEMPLATE)
    config["metadata"]["name"] = "sol-mm"
    (home.active / "sol-mm.json").write_text(json.dumps(config))
    with monitor(root, bot_row(), token=TOKEN) as (found, _):
        yield found


def test_every_route_of_the_api_is_in_the_document(site: Site) -> None:
    rules = [rule for rule in site.app.url_map.iter_rules() if rule.rule.startswith("/api/v1/")]
    routes = {
        (method.lower(), rule.rule.removeprefix("/api/v1").replace("<", "{").replace(">", "}"))
        for rule in rules
        for method in rule.methods - {"HEAD", "OPTIONS"}
    }
    described = {(method, path) for method, path, *_ in OPERATIONS}
    assert routes == described | {("get", "/stream"), ("get", "/openapi.json")}


def checks() -> list[Any]:
    """Return what each answer is held against."""
    from schemathesis.checks import not_a_server_error
    from schemathesis.specs.openapi import checks as openapi

    return [
        not_a_server_error,
        openapi.status_code_conformance,
        openapi.content_type_conformance,
        openapi.response_schema_conformance,
        openapi.negative_data_rejection,
    ]


@pytest.mark.parametrize(("method", "path"), [(one[0], one[1]) for one in OPERATIONS], ids=lambda word: word)
def test_an_operation_keeps_its_word_under_fuzz(site: Site, method: str, path: str) -> None:
    import schemathesis  # here, because every process that collects tests would take a second for it

    schema, wanted = schemathesis.openapi.from_dict(document()), checks()
    operation = schema[path][method.upper()]
    base = f"http://127.0.0.1:{site.port}/api/v1"

    @given(case=operation.as_strategy())
    @settings(
        max_examples=6, database=None, derandomize=True, deadline=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    def attack(case: Any) -> None:
        if "name" in (case.path_parameters or {}) and len(str(case.body)) % 2:
            case.path_parameters["name"] = "sol-mm"
        case.call_and_validate(base_url=base, headers={"Authorization": f"Bearer {TOKEN}"}, checks=wanted)

    attack()


def test_the_document_is_served(site: Site) -> None:
    told = site.get("/api/v1/openapi.json", Authorization=f"Bearer {TOKEN}").json
    assert told == document()
