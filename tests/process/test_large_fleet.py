"""Many bots at once."""

from __future__ import annotations

from tests.process.fleet_parts import Fleet


def test_fifty_bots_start_quote_and_stop_without_a_restart(fleet: Fleet) -> None:
    names = [f"bot-{number:02d}" for number in range(50)]
    for number, name in enumerate(names):
        fleet.add(name, exchange_config={"seed": number})
    fleet.start()
    seen: set[str] = set()

    def each_has_quoted() -> bool:  # at the same moment some always replace what they have
        seen.update(row["name"] for row in fleet.status()["bots"] if row["phase"] == "QUOTING" and row["open_orders"])
        return len(seen) == len(names)

    fleet.until(each_has_quoted, seconds=90)
    assert {row["restarts"] for row in fleet.status()["bots"]} == {0}
    done = fleet.run("stop")
    assert done.returncode == 0, done.stderr
    assert fleet.open_paper_orders() == []
