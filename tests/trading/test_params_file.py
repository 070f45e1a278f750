"""The files of a strategy reach it in a whole bot, and their next versions too."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from core.market.client_ids import ClientOrderIds
from core.process.build import build_bot
from core.registry.config_manager import load_file
from core.trading.clock import SECOND_NS, SimulatedClock
from utils.home import CHECKOUT, Home

TEMPLATE = CHECKOUT / "config" / "templates" / "paper_avellaneda_stoikov.json"


def test_a_bot_reads_its_parameter_file_and_then_the_next(tmp_path: Path) -> None:
    plain = json.loads(TEMPLATE.read_text())
    plain["exchange_config"] = {}
    plain["strategy_config"] |= {"params_file": "params.json", "params_refresh_s": 2, "require_params": True}
    plain["strategy_config"]["regime_model_file"] = "model.json"
    path = tmp_path / "bot.json"
    path.write_text(json.dumps(plain))
    home = Home(tmp_path / "home")
    home.make_folders()
    config, clock = load_file(path, home, {}), SimulatedClock()
    bot = build_bot(config, home.state, home.data_dirs, {"main": ClientOrderIds("test", config.name, 1)}, clock)
    bot.loop.start()

    def after(duration_s: int) -> dict[str, Any]:
        end_ns = clock.now_ns() + duration_s * SECOND_NS
        while clock.now_ns() < end_ns:
            clock.wait(min(bot.loop.step(), end_ns), ())
        stats: dict[str, Any] = bot.loop.snapshot()["stats"]["strategy"]
        return stats | {"gates": bot.loop.snapshot()["gates"]}

    def write(kappa: float) -> None:
        made = {"version": 1, "symbol": "BTC-PERP", "unit": "relative", "generated_at": clock.utc_ns() / SECOND_NS}
        (home.state / config.name / "params.json").write_text(json.dumps(made | {"kappa": kappa}))

    try:
        assert (after(15)["source"], after(0)["gates"]) == ("params", ["params"])
        write(20_000)
        assert (after(6)["source"], after(0)["kappa"]) == ("as", 20_000)
        assert after(0)["gates"] == []
        write(9_000)
        assert after(6)["kappa"] == 9_000
        assert after(0)["regime_error"] == "there is no such file"
        (home.state / config.name / "model.json").write_text("{}")
        assert "not a regime model" in after(6)["regime_error"]
    finally:
        bot.close()
