"""The page that is written from the figures: pure, from the content of the result file to Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

Record = dict[str, Any]
OURS = ("makerd", "makerd-bots", "makerd-bots-0ms", "makerd-replay")
BARE, BOTS, BOTS_ALONE, REPLAY = OURS
NOTHING = "-"

HEAD = """# Process managers side by side

Written by `python benchmarks/supervisors/run.py` from `benchmarks/results/supervisors.json`; do not edit it by hand.
`make bench-supervisors` measures again: one command, the peers come from their public packages into folders that are
thrown away.

All have the same worker, [core/jobs/heartbeat.py](../core/jobs/heartbeat.py): it imports what a strategy imports
(numpy, requests, websocket, jsonschema, sqlite3) and notes a heartbeat a second, stamped by itself with
CLOCK_MONOTONIC. The peers exec it; makerd runs it as a [job](jobs.md), forked warm. Row `makerd-bots` is no bare worker
but paper bots that quote: there a sign of life is an order that the venue has acknowledged, after the sweep of what the
dead one left, and after reconciliation. In it are three times the 20 ms that the simulated venue takes: to cancel, to
report, to acknowledge; `makerd-bots-0ms` is without them.

The load average (1 minute, before and after) stands beside the figures, in square brackets: other work ran on the same
machine. Compare figures of a like load, and compare within this page only.
"""
LIMITS = """## What the hard ones are made of

* **Kill to quoting**: three answers of the simulated venue, 60 ms. The rest is processor time: two forks (6 ms), a
  sweep (about 17 ms: claim, fence, venue and ledger opened, an empty listing confirmed, a mark on disk), and a worker
  from its fork to its first orders (about 21 ms); more on the clock where the other bots keep half of both cores
  busy.
* **Start**: command, daemon, validator and zygote take about 1.1 s once. Then a bot takes about 35 ms of processor
  until it quotes, on two cores; the fleet's first bots trade meanwhile.
* **Memory**: an idle worker has 4.2 MB of its own. 3.1 of them are pages of shared objects that CPython writes its
  reference counts to, 0.5 the interpreter's own data, 0.6 its heap.
"""
NOTES = """## How it was measured

* **Kill**: `kill -9` of a random worker at a random moment within a second, until the first heartbeat of its successor;
  median and range of 20. 1.2 s between two kills, beyond every rule of the peers about workers that died too young.
* **Start**: from launching the manager (of makerd the command `start --daemon`, a new home each time) to the last
  worker's first sign of life. One reading.
* **Memory**: PSS, which counts shared pages in parts, of workers and manager: of makerd supervisor and zygote, of runit
  and s6 one supervisor a service, too. Page tables and kernel memory are not in it.
* **CPU**: scheduler time of all processes of the manager over 30 s in which nothing happens but heartbeats. makerd
  hears a heartbeat a second and reads memory and CPU of each worker every 15 s in that time; of the peers none does.
* **Stop**: from the manager's own way to be asked (TERM; runsvdir HUP; `pm2 kill`) to the last process. One reading.
* **STOP**: a worker is stopped with SIGSTOP, 10 s are waited; counted from its last heartbeat. makerd's limit is set to
  3 s here. None of the peers looks at heartbeats as they are set up here (circus has a plugin for it).
* **Dead manager**: `kill -9` of the top process, what lives 5 s later, and what runs after the same launch again.
"""


def page(result: Record) -> str:
    """Return the whole page."""
    found: dict[str, Record] = result["managers"]
    order = [*OURS, *(name for name in found if name not in OURS)]
    managers = {name: found[name] for name in order if name in found}
    parts = [HEAD, _machine(result), *_kills(managers, result.get("floor")), *_fleet(managers, "50")]
    parts += [*_fleet(managers, "200"), *_fleet(managers, "500"), *_faults(managers), *_targets(managers)]
    parts += [LIMITS, *_settings(managers), NOTES]
    return "\n".join(parts)


def _machine(result: Record) -> str:
    machine = result["machine"]
    memory_gb = machine["memory_mb"] / 1024
    facts = [f"{machine['cores']} cores of {machine['processor']}", f"{memory_gb:.0f} GB", machine["kernel"]]
    facts += [machine["python"], machine["temp_file_system"]]
    note = f" {result['note']}" if result.get("note") else ""
    sessions = [one for manager in result["managers"].values() for one in manager["sizes"].values()]
    revisions = sorted({str(one["revision"]) for one in sessions if one.get("revision")})
    return f"{', '.join(facts)}; {result['at']}, revision {', '.join(revisions) or NOTHING}.{note}\n"


def _kills(managers: dict[str, Record], floor: Record | None) -> Iterator[str]:
    yield "## `kill -9` of a worker to its successor's first sign of life, ms\n"
    sizes = [size for size in ("1", "50", "200", "500") if any(_has(one, size, "kill_ms") for one in managers.values())]
    titles = ("manager", *(f"{size} workers" for size in sizes))
    yield _table(titles, ((name, *(_kill(one, size) for size in sizes)) for name, one in _measured(managers)))
    if floor:
        alone, load = _spread(floor["ms"]), floor["load_average_before"]
        yield f"No manager at all, a fresh interpreter to its first heartbeat: {alone} [{load}].\n"


def _kill(record: Record, size: str) -> str:
    found = _of(record, size)
    if not found.get("kill_ms"):
        return found.get("error", NOTHING)
    never = f", {found['never']} never" if found["never"] else ""
    return f"{_spread(found['kill_ms'])}{never} {_load(found)}"


def _spread(found: Record) -> str:
    return f"{_number(found['median'])} ({_number(found['low'])} to {_number(found['high'])})"


def _fleet(managers: dict[str, Record], size: str) -> Iterator[str]:
    rows = [(name, _of(one, size)) for name, one in _measured(managers) if _has(one, size, "total_mb")]
    if not rows:
        return
    yield f"## {size} workers\n"
    titles = ("manager", "start, s", "memory in all, MB", "a worker, MB", "manager, MB (processes)")
    yield _table(
        (*titles, "manager's CPU, % of a core", "graceful stop, s", "load"), (_fleet_row(*row) for row in rows)
    )


def _fleet_row(name: str, found: Record) -> Sequence[str]:
    weight = (_number(found["total_mb"]), _number(found.get("worker_mb")))
    manager = f"{_number(found['manager_mb'])} ({found['manager_processes']})"
    times = (_number(found.get("manager_cpu_pct")), _number(found.get("stop_s")))
    return (name, _number(found["start_s"]), *weight, manager, *times, _load(found))


def _faults(managers: dict[str, Record]) -> Iterator[str]:
    yield "## What happens, with 10 workers\n"
    titles = ("manager", "manager killed: workers left", "after its relaunch: running", "names that run twice")
    rows = ((name, _of(one, "faults")) for name, one in _measured(managers))
    yield _table(
        (*titles, "orders left", "STOPped worker replaced after, s", "load"),
        (
            (
                name,
                *(str(found.get(key, NOTHING)) for key in ("left_after_manager_kill", "running_after_relaunch")),
                str(found.get("doubled_after_relaunch", NOTHING)),
                str(found.get("orphan_orders", NOTHING)),
                _number(found["stopped_replaced_s"]) if found.get("stopped_replaced_s") else "never",
                _load(found),
            )
            for name, found in rows
            if found and "error" not in found
        ),
    )


# ---------------------------------------------------------------- targets


def _targets(managers: dict[str, Record]) -> Iterator[str]:
    yield "## Against the aims\n"
    yield _table(("what", "makerd", "best peer", "aim", "reached"), _target_rows(managers))


def _target_rows(managers: dict[str, Record]) -> Iterator[Sequence[str]]:
    def peer(size: str, *keys: str) -> tuple[str, float] | None:
        found = [
            (name, value) for name, one in managers.items() if name not in OURS and (value := _at(one, size, *keys))
        ]
        return min(found, key=lambda pair: pair[1]) if found else None

    kill = ("kill_ms", "median")
    fastest = peer("50", *kill)
    for size in ("50", "500"):
        yield _ratio(f"kill to heartbeat, {size} bare, ms", _at(managers.get(BARE), size, *kill), fastest, 12)
    yield _ratio("kill to quoting, 50 bots, ms", _at(managers.get(BOTS), "50", *kill), fastest, 5)
    yield _ratio("the same, the venue's latency 0, ms", _at(managers.get(BOTS_ALONE), "50", *kill), fastest, 5)
    for size in ("50", "200"):
        ours = _at(managers.get(BOTS), size, "start_s")
        yield _ratio(f"start of {size} quoting bots, s", ours, peer(size, "start_s"), 5)
    yield _ratio("memory of 50 idle workers, MB", _at(managers.get(BARE), "50", "total_mb"), peer("50", "total_mb"), 6)
    yield _limit("one bot on a recorded feed, no TLS context, MB", _bot_mb(managers.get(REPLAY)), 10)
    yield _limit("supervisor's CPU, 200 bots, %", _at(managers.get(BOTS), "200", "root_cpu_pct"), 2)
    yield _limit("graceful stop of 200 quoting bots, s", _at(managers.get(BOTS), "200", "stop_s"), 2)
    # A stopped worker cannot write its stacks: the limit of 3 s and half a second.
    yield _limit("STOPped worker replaced, s", _at(managers.get(BARE), "faults", "stopped_replaced_s"), 3.5)
    yield _limit("STOPped bot replaced, s", _at(managers.get(BOTS), "faults", "stopped_replaced_s"), 3.5)
    for name in (BARE, BOTS):
        yield _limit(
            f"doubled after a dead manager ({name})", _at(managers.get(name), "faults", "doubled_after_relaunch"), 0
        )
    yield _limit("orders left by a dead manager", _at(managers.get(BOTS), "faults", "orphan_orders"), 0)


def _ratio(what: str, ours: float | None, peer: tuple[str, float] | None, part: int) -> Sequence[str]:
    if ours is None or peer is None:
        return (what, _number(ours), f"{_number(peer[1])} ({peer[0]})" if peer else NOTHING, f"1/{part}", NOTHING)
    aim = peer[1] / part
    return (what, _number(ours), f"{_number(peer[1])} ({peer[0]})", f"1/{part}: {_number(aim)}", _verdict(ours, aim))


def _limit(what: str, ours: float | None, aim: float) -> Sequence[str]:
    return (what, _number(ours), NOTHING, _number(aim), NOTHING if ours is None else _verdict(ours, aim))


def _verdict(ours: float, aim: float) -> str:
    return "yes" if ours <= aim else f"no: {_number(ours / aim)} times" if aim else "no"


def _bot_mb(record: Record | None) -> float | None:
    none, fifty = (_at(record, size, "total_mb") for size in ("0", "50"))
    return None if none is None or fifty is None else (fifty - none) / 50


# ---------------------------------------------------------------- parts


def _settings(managers: dict[str, Record]) -> Iterator[str]:
    yield "## Settings\n"
    yield _table(
        ("manager", "version", "settings"),
        (
            (name, str(one.get("version", NOTHING)), one.get("missing") or one.get("settings", NOTHING))
            for name, one in managers.items()
        ),
    )


def _measured(managers: dict[str, Record]) -> Iterator[tuple[str, Record]]:
    yield from ((name, one) for name, one in managers.items() if one["sizes"] and name != REPLAY)


def _of(record: Record | None, size: str) -> Record:
    found: Record = (record or {"sizes": {}})["sizes"].get(size, {})
    return found


def _has(record: Record, size: str, key: str) -> bool:
    return bool(_of(record, size).get(key))


def _at(record: Record | None, size: str, *keys: str) -> float | None:
    found: Any = _of(record, size)
    for key in keys:
        found = found.get(key) if isinstance(found, dict) else None
    return found if isinstance(found, int | float) else None


def _number(value: float | None) -> str:
    if value is None:
        return NOTHING
    places = 0 if abs(value) >= 100 or value == int(value) else 1 if abs(value) >= 10 else 2
    return f"{value:.{places}f}"


def _load(found: Record) -> str:
    return f"[{_number(found.get('load_average_before'))}, {_number(found.get('load_average_after'))}]"


def _table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [titles, ["---"] * len(titles), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines) + "\n"
