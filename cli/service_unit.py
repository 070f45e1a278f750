"""The systemd unit that runs the daemon of one home. Pure: facts -> text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from utils.exit_statuses import COMMAND_USAGE, CONFIG, USAGE

OWN_MB = 512.0  # supervisor, zygote and one-shot children
START_S = 180
STOP_EXTRA_S = 120  # beyond the longest stop_timeout_s; while it stops the daemon asks for more by itself
WATCHDOG_S = 30
SHARED_TMP = (Path("/tmp"), Path("/var/tmp"))


@dataclass(frozen=True, slots=True)
class ServiceFacts:
    """What the unit depends on."""

    home: Path
    python: Path
    door: Path
    claims: Path
    claims_given: bool  # by MAKERD_CLAIMS_DIR
    account: str
    memory_mb: float  # what all bots together may use
    stop_timeout_s: float  # the longest of all bots
    writable: Sequence[Path] = ()  # further folders that the daemon writes to

    @property
    def tmp_is_shared(self) -> bool:
        """Tell whether something that others must see lies below a folder that PrivateTmp would hide."""
        paths = (self.home, self.claims, *self.writable)
        return any(path.is_relative_to(folder) for path in paths for folder in SHARED_TMP)


def unit_text(facts: ServiceFacts, user: bool) -> str:
    """Return the unit; `user`: for the manager of one user, which cannot give most of the protection."""
    sections = (("Unit", _unit(facts)), ("Service", _service(facts, user)), ("Install", _install(user)))
    head = "\n".join(_head(user))
    return head + "\n" + "\n".join(f"[{name}]\n" + "".join(f"{line}\n" for line in lines) for name, lines in sections)


def _head(user: bool) -> Iterator[str]:
    manager = "systemctl --user" if user else "systemctl"
    folder = "~/.config/systemd/user" if user else "/etc/systemd/system"
    yield f"# Save as {folder}/makerd.service, then: {manager} daemon-reload && {manager} enable --now makerd"
    if user:
        yield "# `loginctl enable-linger` lets it run while nobody is logged in."
    yield "# Print it again after a change of stop_timeout_s, memory_limit_mb, metrics.textfile or the number of bots."


def _unit(facts: ServiceFacts) -> Iterator[str]:
    yield f"Description=makerd, the market-making bots of {_plain(facts.home)}"
    yield "Wants=network-online.target"
    yield "After=network-online.target time-sync.target"
    yield "StartLimitIntervalSec=300"
    yield "StartLimitBurst=5"


def _service(facts: ServiceFacts, user: bool) -> Iterator[str]:
    door = " ".join(_quoted(path) for path in (facts.python, facts.door))
    yield "Type=notify"
    yield "NotifyAccess=main"
    yield f"ExecStart={door} --home {_quoted(facts.home)} start"
    yield f"ExecReload={door} --home {_quoted(facts.home)} reload"
    if not user:
        yield f"User={facts.account}"
    if facts.claims_given:
        yield f"Environment={_quoted(f'MAKERD_CLAIMS_DIR={facts.claims}')}"
    yield f"WatchdogSec={WATCHDOG_S}"
    yield f"TimeoutStartSec={START_S}"
    yield "# An orderly stop cancels every order and has the venues confirm it; longer than our own deadlines."
    yield f"TimeoutStopSec={int(facts.stop_timeout_s) + STOP_EXTRA_S}"
    yield "KillMode=control-group"
    yield "Restart=on-failure"
    yield "RestartSec=5"
    yield f"RestartPreventExitStatus={COMMAND_USAGE} {USAGE} {CONFIG}"
    yield "# One bot that the kernel ends for its memory is swept and restarted by the daemon; the others go on."
    yield "OOMPolicy=continue"
    yield f"MemoryMax={int(facts.memory_mb + OWN_MB)}M"
    yield "TasksMax=16384"
    yield "LimitNOFILE=65536"
    yield "LimitCORE=0"
    yield "UMask=0077"
    yield "NoNewPrivileges=true"
    if not user:
        yield from _protection(facts)


def _protection(facts: ServiceFacts) -> Iterator[str]:
    yield "# Daemon, monitor and sweeps go before the bots; these stay at 0."
    yield "LimitNICE=-10"
    yield "ProtectSystem=strict"
    yield "ProtectHome=read-only"
    writable = dict.fromkeys((facts.home, facts.claims, *facts.writable))
    yield "ReadWritePaths=" + " ".join(_quoted(path) for path in writable)
    if facts.tmp_is_shared:
        yield "# Claims or state lie below /tmp: a private one would hide them from other daemons."
    yield f"PrivateTmp={'false' if facts.tmp_is_shared else 'true'}"
    for name in (
        "PrivateDevices", "ProtectClock", "ProtectControlGroups", "ProtectHostname", "ProtectKernelLogs",
        "ProtectKernelModules", "ProtectKernelTunables", "RestrictNamespaces", "RestrictRealtime", "RestrictSUIDSGID",
        "LockPersonality", "RemoveIPC",
    ):  # fmt: skip
        yield f"{name}=true"
    yield "CapabilityBoundingSet="
    yield "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK"
    yield "SystemCallArchitectures=native"
    yield "SystemCallFilter=@system-service"
    yield "SystemCallErrorNumber=EPERM"


def _install(user: bool) -> Iterator[str]:
    yield f"WantedBy={'default.target' if user else 'multi-user.target'}"


def _plain(path: Path) -> str:
    return str(path).replace("%", "%%").replace("\n", " ")


def _quoted(text: Path | str) -> str:
    """Return one word of a unit file: specifiers and variables taken literally, quoted where that is needed."""
    word = str(text).replace("\\", "\\\\").replace("%", "%%").replace("$", "$$").replace('"', '\\"')
    return f'"{word}"' if any(char in word for char in " \t'\"\\;") else word
