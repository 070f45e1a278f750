"""Which room may import which: the table in code is the rule (docs/code-map.md explains it)."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from tests.source_parts import tree_of

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("utils", "core", "strategies", "api", "cli", "web", "config")

MARKET, CONFIG, FLEET = "core.market", "core.bot_config", "core.fleet_config"
LOG_FILES = (
    "process_logs",
    "logger",
    "redactor",
    "redacted_streams",
    "captured_output",
    "rotating_file",
    "log_throttle",
    "log_retention",
    "log_manager",
    "log_files",
)
LOGS = (*(f"core.{name}" for name in LOG_FILES), "utils")
PARENT_SIDE = (
    "supervisor",
    "worker_states",
    "worker_policy",
    "worker_record",
    "worker_requests",
    "fleet_control",
    "start_queue",
    "venue_guard",
    "escalation",
    "purpose",
    "upgrade",
    "self_exec",
    "roll",
    "carried_state",
    "zygote_candidate",
    "answering_child",
    "registry_sync",
    "zygote_keeper",
    "child",
    "children",
    "bot_actions",
    "health_rounds",
    "fleet_files",
    "channel",
    "fleet",
    "zygote_link",
    "config_child",
    "operator_verbs",
    "control",
    "pid_file",
    "identity",
    "health",
    "log_care",
    "log_tail",
    "launcher",
    "daemon",
    "child_setup",
    "claims",
    "run_record",
    "rate_leases",
    "event_rows",
    "event_desk",
    "alert_limiter",
    "notifiers",
    "config_change",
    "config_watch",
    "handover",
    "quiet_lines",
    "sd_notify",
    "turn_clock",
    "metrics",
    "monitor_keeper",
    "periodic_child",
    "starvation",
    "dead_man",
    "cgroups",
    "account_guards",
)
# module prefix -> (our modules, third-party packages) it may import; the longest prefix counts
TABLE: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "utils": (("utils",), ()),
    "core.market": (("utils", MARKET), ("numpy",)),
    "core.bot_config": (("utils",), ()),
    "core.fleet_config": (("utils",), ()),
    "strategies": (("strategies", MARKET, "utils.errors"), ("numpy",)),
    "api": (("api", MARKET, "utils"), ("numpy", "certifi", "websocket", "cryptography")),
    "api.replay_kernel": (("api", MARKET), ("numba",)),
    "api.simulator": (("api", MARKET, "utils"), ("numpy", "aiohttp", "cryptography", "click")),
    "core.trading": (
        ("core.trading", MARKET, CONFIG, "utils", "api.base_client", "strategies.base"),
        (),
    ),
    "core.backtest": (("core", "api", "strategies", "utils"), ("numpy",)),
    "core.backtest.train_regime": (("core", "utils"), ("numpy", "sklearn", "threadpoolctl")),
    "core.history": (("core.history", CONFIG, "utils"), ()),
    "core.jobs": (("core.jobs", "utils"), ("numpy", "requests", "websocket", "jsonschema")),
    "core.jobs.calibrate": (("core.jobs", "core.backtest.calibrate", "core.registry.config_manager", "utils"), ()),
    "core.registry": (("core.registry", CONFIG, FLEET, "utils"), ("jsonschema", "dotenv", "referencing")),
    "core.process": (("core", "api", "strategies", "utils"), ("setproctitle",)),
    **{
        f"core.process.{name}": (("core.process", CONFIG, FLEET, "utils"), ("psutil", "setproctitle"))
        for name in PARENT_SIDE
    },
    "core.process.daemon": (("core.process", CONFIG, "utils", "core.process_logs", "core.event_log"), ()),
    "core.process.notify": (("core.process", "core.registry.environment", "utils"), ("requests",)),
    "core.event_log": ((*LOGS, FLEET), ()),
    **{f"core.{name}": (LOGS, ()) for name in LOG_FILES},
    "core.process.metrics_file": (("core.process.control", "core.metrics_text", "utils"), ()),
    "core.doctor": (
        (
            "core.doctor",
            "core.process",
            "core.registry",
            CONFIG,
            "utils",
            "api.client_registry",
            "api.dialing",
            "api.proxies",
        ),
        (),
    ),
    "core.init": (("utils",), ()),
    "core.monitor": (("core", "web", "utils"), ()),
    "core.metrics_text": (("utils",), ("prometheus_client",)),
    "core.daemon_manager": (("core", "cli", "utils", "api", "strategies"), ("click",)),
    "core.door_services": (("core", "api.event_convert", "web.security.passwords", "utils"), ()),
    "cli": (
        ("cli", "core.registry", "core.process.control", "core.history", CONFIG, "utils"),
        ("click", "rich", "questionary"),
    ),
    "web": (
        ("web", "core.registry", "core.process.control", "core.history", CONFIG, "utils"),
        ("flask", "werkzeug", "waitress"),
    ),
    "setup_env": (("setup_env", "core", "cli", "utils"), ("click",)),
    "run": (("run", "core", "cli", "utils", "api", "strategies"), ("click",)),
}
CHILD_SIDE = (
    "core.process.zygote",
    "core.process.worker",
    "core.process.job_worker",
    "core.process.sweep",
    "core.process.dead_man_guard",
    "core.process.build",
)
MAX_DEPTH = 8
WORDS = {"utils.errors", "utils.quick_values"}  # import nothing of ours and are everywhere: no link of a chain


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def sources() -> dict[str, Path]:
    found = [path for room in ROOMS for path in (ROOT / room).rglob("*.py")]
    return {module_name(path): path for path in [*found, ROOT / "run.py", ROOT / "setup_env.py"]}


@cache
def imports_of(path: Path, with_types: bool = True) -> frozenset[str]:
    """Every module that a file names in an import, in functions too; those for the type checker only on request."""
    names: set[str] = set()
    for node in _statements(tree_of(path), with_types):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return frozenset(names)


def _statements(tree: ast.AST, with_types: bool) -> Iterator[ast.AST]:
    waiting = [tree]
    while waiting:
        for node in ast.iter_child_nodes(waiting.pop()):
            if isinstance(node, ast.expr):  # holds no import
                continue
            if not with_types and isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
                continue
            yield node
            waiting.append(node)


@cache
def edges() -> dict[str, set[str]]:
    modules = sources()
    graph: dict[str, set[str]] = {}
    for name, path in modules.items():
        graph[name] = set()
        for imported in imports_of(path, with_types=False):
            target = imported if imported in modules else imported.rpartition(".")[0]
            if target in modules and target != name and (ROOT / target.replace(".", "/")).is_dir() is False:
                graph[name].add(target)
    return graph


def rule_for(module: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    prefixes = [key for key in TABLE if module == key or module.startswith(key + ".")]
    assert prefixes, f"{module} is in no room of the table"
    return TABLE[max(prefixes, key=len)]


def is_within(name: str, prefixes: tuple[str, ...]) -> bool:
    return any(name == prefix or name.startswith(prefix + ".") for prefix in prefixes)


def test_every_import_is_in_the_table() -> None:
    forbidden = []
    for module, path in sources().items():
        if path.name == "__init__.py" and not path.read_text().strip():
            continue
        ours, packages = rule_for(module)
        for imported in imports_of(path):
            top = imported.partition(".")[0]
            if top in sys.stdlib_module_names or top == "__future__":
                continue
            allowed = (
                is_within(imported, ours) if top in (*ROOMS, "run", "setup_env") else is_within(imported, packages)
            )
            if not allowed:
                forbidden.append(f"{module} imports {imported}")
    assert forbidden == []


def test_the_parent_side_never_imports_the_child_side() -> None:
    graph = edges()
    reached: set[str] = set()
    frontier = ["core.process.daemon"]
    while frontier:
        for target in graph[frontier.pop()]:
            if target not in reached:
                reached.add(target)
                frontier.append(target)
    assert reached.isdisjoint(CHILD_SIDE)
    venues_and_jobs = ("api", "strategies", "core.market", "core.trading", "core.jobs")
    assert not [module for module in reached if module.startswith(venues_and_jobs)]


def test_only_the_monitor_loads_the_web() -> None:
    graph = edges()
    for start in ("core.process.daemon", *CHILD_SIDE, "core.process.validator"):
        reached, frontier = set(), [start]
        while frontier:
            found = graph[frontier.pop()] - reached
            reached |= found
            frontier += found
        assert not [module for module in reached if module == "core.monitor" or module.startswith("web.")], start


def test_there_is_no_import_cycle_and_no_chain_longer_than_eight() -> None:
    graph = edges()
    depth: dict[str, int] = {}

    def measure(module: str, path: tuple[str, ...]) -> int:
        assert module not in path, f"cycle: {' -> '.join((*path, module))}"
        if module not in depth:
            targets = [target for target in graph[module] if target not in WORDS]
            depth[module] = max((1 + measure(target, (*path, module)) for target in targets), default=0)
        return depth[module]

    deepest = max(graph, key=lambda module: measure(module, ()))
    assert depth[deepest] <= MAX_DEPTH, f"{deepest} is {depth[deepest]} imports deep"


def test_no_file_is_named_like_a_standard_module() -> None:
    clashes = [name for name in sources() if name.rpartition(".")[2] in sys.stdlib_module_names]
    assert clashes == []


def test_pure_rooms_use_no_clock_file_socket_thread_or_global_randomness() -> None:
    impure = {"time", "random", "socket", "threading", "os", "io", "logging", "subprocess", "datetime", "pathlib"}
    used = [
        f"{module} imports {imported}"
        for module, path in sources().items()
        if is_within(module, ("core.market", "strategies"))
        for imported in imports_of(path)
        if imported.partition(".")[0] in impure
    ]
    assert used == []
