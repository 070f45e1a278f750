"""What a config of the paper venue may get wrong, and recordings that are broken or gone."""

from __future__ import annotations

from pathlib import Path

import pytest

from api.base_client import Inbox
from api.paper_client import PaperClient
from tests.conformance.paper_parts import bid
from tests.conformance.venues import LEG, PaperUnderTest, Session
from tests.made_recording import calm_market
from utils.errors import ConfigError


@pytest.fixture
def venue(tmp_path: Path) -> PaperUnderTest:
    return PaperUnderTest(tmp_path)


# -- what a config may get wrong ------------------------------------------------------------------------------------
def complaints(tmp_path: Path, symbol: str = "SOL-USDC", **config: object) -> list[str]:
    calm_market().save(tmp_path, "calm")
    return PaperClient.config_complaints({"feed": "replay:calm", **config}, symbol, [str(tmp_path)])


def test_good_config_has_no_complaint_and_leaves_the_compiled_recording(tmp_path: Path) -> None:
    assert complaints(tmp_path) == []
    assert len(list((tmp_path / "cache").glob("calm-*.npy"))) == 1
    assert complaints(tmp_path, symbol="SOLUSDC") == [] and complaints(tmp_path, feed="synthetic") == []


@pytest.mark.parametrize(
    ("symbol", "config", "said"),
    [
        ("BTC-USDT", {}, "'BTC-USDT' is not listed"),
        ("DOGE-USDC", {"feed": "synthetic"}, "BTC-USDT"),
        ("SOL-USDC", {"feed": "live"}, "neither 'synthetic' nor 'replay:FILE'"),
        ("SOL-USDC", {"feed": "replay:"}, "plain file name"),
        ("SOL-USDC", {"feed": "replay:none"}, "was not found"),
        ("SOL-USDC", {"initial_balances": {"USD": 5}}, "'USD' is not used"),
        ("SOL-USDC", {"initial_balances": {"USDC": "much"}}, "'much' is not a number"),
        ("SOL-USDC", {"initial_balances": {"USDC": -1}}, "0 or more"),
    ],
)
def test_config_complaint_says_what_is_wrong_in_one_line(
    tmp_path: Path, symbol: str, config: dict[str, object], said: str
) -> None:
    (found,) = complaints(tmp_path, symbol, **config)
    assert said in found and "\n" not in found


def test_broken_recording_is_a_complaint_with_line_column_and_value(tmp_path: Path) -> None:
    writer = calm_market()
    writer.rows[30] = writer.rows[30].replace("99.90", "cheap")
    path = writer.save(tmp_path, "bad")
    (found,) = PaperClient.config_complaints({"feed": "replay:bad"}, "SOL-USDC", [str(tmp_path)])
    assert found.startswith(f"{path}, line 32, column price") and "'cheap'" in found
    path.write_bytes(path.read_bytes()[:-20])
    (found,) = PaperClient.config_complaints({"feed": "replay:bad"}, "SOL-USDC", [str(tmp_path)])
    assert found.startswith(str(path)) and not list(
        (tmp_path / "cache").glob("bad-*") if (tmp_path / "cache").exists() else []
    )


def test_broken_recording_fails_the_opening_as_a_config_error(venue: PaperUnderTest) -> None:
    path = calm_market().save(venue.folder / "data", "calm")
    path.write_bytes(path.read_bytes()[:200])
    inbox = Inbox()
    with pytest.raises(ConfigError, match="cut short"):
        venue.client().open(inbox, LEG)
    inbox.close()


@pytest.mark.parametrize("loss", ["recording", "sidecar", "both", "torn"])
def test_account_whose_recording_is_gone_can_be_listed_and_cancelled_but_not_traded(
    venue: PaperUnderTest, loss: str
) -> None:
    session = Session.open(venue)
    session.submit(bid(session, "mk-1"), session.far_bid("mk-2"))
    order = session.far_bid("mk-3")
    session.wait(lambda: session.fills)
    before = session.report()
    session.close()
    recording, sidecar = venue.folder / "data" / "calm.csv.gz", venue.folder / "data" / "calm.json"
    if loss == "torn":
        recording.write_bytes(recording.read_bytes()[:100])
    if loss in ("recording", "both"):
        recording.write_bytes(b"")
    if loss in ("sidecar", "both"):
        sidecar.unlink()
    again = Session.open(venue, market_data=False)
    after = again.report()
    assert after.complete and after.open_orders == before.open_orders and after.fills == before.fills
    again.submit(order)
    assert again.reason_of("mk-3") == "no_market"
    again.client.cancel_all(lambda order_id: order_id.startswith("mk-"))
    again.wait(lambda: again.events_of("mk-1") and again.events_of("mk-2"))
    assert again.open_ids() == set()
    with pytest.raises(ConfigError, match="calm"):
        again.client.start_market_data()
    again.close()
