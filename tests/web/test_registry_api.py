"""Configs over the API: told, judged, compared, written, put away and brought back."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.web.web_parts import Daemon, Site, bot_row, monitor
from utils.home import CHECKOUT, Home

Both = tuple[Site, Daemon]
TEMPLATE = json.loads((CHECKOUT / "config" / "templates" / "paper_market_maker.json").read_text())
SECRET = "do-not-show-me-0123456789"


def _config(name: str, **strategy: Any) -> str:
    config = copy.deepcopy(TEMPLATE)
    config["metadata"]["name"] = name
    config["strategy_config"].update(strategy)
    return json.dumps(config, indent=2)


@pytest.fixture
def both(tmp_path: Path) -> Iterator[Both]:
    home = Home(tmp_path)
    home.active.mkdir(parents=True)
    (home.active / "sol-mm.json").write_text(_config("sol-mm"))
    home.env_file.write_text(f"VENUE_KEY={SECRET}\n")
    home.env_file.chmod(0o600)
    with monitor(tmp_path, bot_row()) as found:
        found[0].join()
        yield found


def _text(site: Site, name: str = "sol-mm") -> tuple[str, str]:
    told = site.get(f"/api/v1/bots/{name}/config").json
    return told["text"], told["digest"]


def test_the_registry_tells_what_there_is(both: Both) -> None:
    site, _ = both
    told = site.get("/api/v1/registry").json
    assert [(one["name"], one["valid"]) for one in told["active"]] == [("sol-mm", True)]
    assert "paper_market_maker" in [one["name"] for one in told["templates"]]
    assert all(one["text"] for one in told["templates"] if one["valid"])
    assert told["archived"] == []


def test_a_config_tells_each_value_its_origin_and_how_it_is_taken_over(both: Both) -> None:
    site, _ = both
    told = site.get("/api/v1/bots/sol-mm/config").json
    rows = {row["key"]: row for row in told["rows"]}
    assert rows["metadata.name"]["value"] == "sol-mm"
    assert rows["strategy_config.spread_pct"]["apply"] in ("live", "restart")
    assert rows["strategy_config.spread_pct"]["help"]
    assert rows["daemon_config.nice"]["origin"] == "default"


def test_the_schema_tells_what_a_form_needs(both: Both) -> None:
    site, _ = both
    fields = site.get("/api/v1/schema?strategy=market_maker&exchange=backpack").json["fields"]
    named = {(one["section"], one["key"]): one for one in fields}
    spread = named["strategy_config", "spread_pct"]
    assert spread["expected"] == "a number from 0 to 20 (%)" and spread["unit"] and spread["help"]
    assert any(one["secret"] for one in fields)
    assert site.get("/api/v1/schema?strategy=../../etc&exchange=%00").status == 200


def test_a_wrong_value_is_told_at_its_key_and_its_place(both: Both) -> None:
    site, _ = both
    text = _config("sol-mm", spread_pct=-1)
    [complaint] = site.post("/api/v1/registry/validate", {"name": "sol-mm", "text": text}).json["complaints"]
    assert complaint["path"] == "strategy_config.spread_pct"
    assert complaint["line"] and "-1" in complaint["message"]


def test_values_become_the_text_with_everything_else_as_it_was(both: Both) -> None:
    site, _ = both
    before, _ = _text(site)
    values = json.loads(before)
    values["strategy_config"]["spread_pct"] = 0.77
    told = site.post("/api/v1/registry/validate", {"name": "sol-mm", "values": values}).json
    assert told["complaints"] == []
    changed = [pair for pair in zip(before.splitlines(), told["text"].splitlines(), strict=True) if pair[0] != pair[1]]
    assert len(changed) == 1 and "0.77" in changed[0][1]
    del values["strategy_config"]["spread_pct"]
    told = site.post("/api/v1/registry/validate", {"name": "sol-mm", "values": values}).json
    assert "spread_pct" not in told["text"]


def test_a_change_is_compared_written_recorded_and_rolled_back(both: Both) -> None:
    site, _ = both
    before, digest = _text(site)
    values = json.loads(before)
    values["strategy_config"]["spread_pct"] = 0.77
    text = json.dumps(values, indent=2)
    diff = site.post("/api/v1/registry/diff", {"name": "sol-mm", "text": text}).json
    assert "+" in diff["diff"] and "strategy_config.spread_pct" in diff["live"] + diff["restarts"]

    body = {"text": text, "base_digest": digest, "allow_wider_risk": False}
    saved = site.ask("PUT", "/api/v1/registry/sol-mm", body)
    assert saved.status == 200
    assert json.loads((site.settings.home.active / "sol-mm.json").read_text())["strategy_config"]["spread_pct"] == 0.77
    assert site.ask("PUT", "/api/v1/registry/sol-mm", body).status == 409  # of what it was before

    versions = site.get("/api/v1/bots/sol-mm/history").json["versions"]
    assert [one["version"] for one in versions] == [2, 1]
    assert "web" in versions[0]["who"]
    back = site.post("/api/v1/registry/diff", {"name": "sol-mm", "version": 1}).json
    assert (back["live"], back["restarts"]) == (diff["live"], diff["restarts"])
    assert '+    "spread_pct": 0.77' in diff["diff"] and '-    "spread_pct": 0.77' in back["diff"]
    assert site.post("/api/v1/bots/sol-mm/rollback", {"version": 1}).status == 200
    assert _text(site)[0] == before
    assert [row["what"] for row in site.rooms.audited if row["outcome"] == "done"] == [
        "config edit sol-mm",
        "config rollback sol-mm",
    ]


@pytest.mark.parametrize("version", [True, 0, -1, 10**30, 99])
def test_a_version_that_is_none_is_refused(both: Both, version: int) -> None:
    site, _ = both
    for path, body in (("registry/diff", {"name": "sol-mm"}), ("bots/sol-mm/rollback", {})):
        assert site.post(f"/api/v1/{path}", {**body, "version": version}).status in (400, 409)
    assert site.post("/api/v1/registry/diff", {"name": "sol-mm"}).status == 400


def test_a_wider_risk_limit_needs_a_word(both: Both) -> None:
    site, _ = both
    text, digest = _text(site)
    values = json.loads(text)
    values["risk_config"]["max_loss"] = 10
    site.ask("PUT", "/api/v1/registry/sol-mm", {"text": json.dumps(values), "base_digest": digest})
    text, digest = _text(site)
    values["risk_config"]["max_loss"] = 1000
    body = {"text": json.dumps(values), "base_digest": digest, "allow_wider_risk": False}
    refused = site.ask("PUT", "/api/v1/registry/sol-mm", body)
    assert refused.status == 409 and "max_loss" in refused.json["wider_risk"][0]
    assert site.ask("PUT", "/api/v1/registry/sol-mm", {**body, "allow_wider_risk": True}).status == 200


def test_a_bot_is_made_from_a_template_and_put_away_and_brought_back(both: Both) -> None:
    site, _ = both
    body = {"name": "second", "template": "paper_market_maker", "values": {"strategy_config": {"spread_pct": 0.5}}}
    assert site.post("/api/v1/registry/create", body).status == 200
    assert site.post("/api/v1/registry/create", body).status == 409
    assert json.loads(_text(site, "second")[0])["strategy_config"]["spread_pct"] == 0.5
    assert site.post("/api/v1/registry/second/archive", {}).status == 200
    told = site.get("/api/v1/registry").json
    assert [one["name"] for one in told["archived"]] == ["second"] and told["archived"][0]["archived_at"]
    assert site.post("/api/v1/registry/second/restore", {}).status == 200
    assert len(site.get("/api/v1/registry").json["active"]) == 2


@pytest.mark.parametrize("name", ["../evil", "..", "a/b", "%2e%2e%2fx", "daemon", "", "-x", "x" * 65, "a\x00b", "ä"])
def test_a_name_that_could_lead_elsewhere_makes_no_file(both: Both, name: str) -> None:
    site, _ = both
    before = sorted(path for path in site.settings.home.root.rglob("*.json") if "web_sessions" not in path.name)
    answer = site.post("/api/v1/registry/create", {"name": name, "template": "paper_market_maker", "values": {}})
    assert answer.status in (400, 404, 409)
    for template in ("../active/sol-mm", "/etc/passwd", ".env", "..%2f..%2f.env"):
        answer = site.post("/api/v1/registry/create", {"name": "fine", "template": template, "values": {}})
        assert answer.status == 404
    assert before == sorted(path for path in site.settings.home.root.rglob("*.json") if "web_sessions" not in path.name)


def test_what_is_not_valid_is_refused_whole(both: Both) -> None:
    site, _ = both
    _, digest = _text(site)
    path = site.settings.home.active / "sol-mm.json"
    before = path.read_bytes()
    for text in ("{", "[]", "null", _config("other"), _config("sol-mm", spread_pct="${VENUE_KEY}"), "\ud800"):
        answer = site.ask("PUT", "/api/v1/registry/sol-mm", {"text": text, "base_digest": digest})
        assert answer.status in (400, 422), text
    assert path.read_bytes() == before


def test_no_secret_is_told_even_when_it_is_at_the_wrong_place(both: Both) -> None:
    site, _ = both
    home = site.settings.home
    config = json.loads(_config("leaky"))
    config["metadata"]["exchange"] = "backpack"
    config["exchange_config"] = {"api_key": SECRET, "api_secret": SECRET, "mode": "live"}
    (home.active / "leaky.json").write_text(json.dumps(config))
    (home.active / "leaky2.json").write_text(
        _config("leaky2").replace('"name": "leaky2"', f'"name": "leaky2", "x": "{SECRET}')
    )
    good = json.loads(_config("sim"))
    good["metadata"]["exchange"] = "backpack"
    good["exchange_config"] = {"api_key": "${VENUE_KEY}", "api_secret": "${VENUE_KEY}"}
    (home.active / "sim.json").write_text(json.dumps(good))
    for path in (
        "/api/v1/registry",
        "/api/v1/bots/leaky/config",
        "/api/v1/bots/leaky2/config",
        "/api/v1/bots/leaky/history",
        "/api/v1/bots/sim/config",
        "/api/v1/fleet",
        "/api/v1/bots/sol-mm",
        "/api/v1/bots/sol-mm/config",
    ):
        assert SECRET.encode() not in site.get(path).body, path
    text = (home.active / "leaky.json").read_text()
    for body in (
        {"name": "leaky", "text": text},
        {"name": "sol-mm", "text": _config("sol-mm", spread_pct="${VENUE_KEY}")},
    ):
        told = site.post("/api/v1/registry/validate", body).json
        assert told["complaints"] and SECRET not in json.dumps(told["complaints"])
    told = site.post("/api/v1/registry/diff", {"name": "leaky", "text": _config("leaky")})
    assert told.status == 200 and SECRET.encode() not in told.body
