"""What each process manager has to be able to do here: be configured, launched and asked to stop."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from benchmarks.parts import CHECKOUT
from benchmarks.supervisors.beats import Beats
from benchmarks.supervisors.installs import Tools
from benchmarks.supervisors.processes import MARK, Processes

WORKER = str(CHECKOUT / "core" / "jobs" / "heartbeat.py")
FAULT_SIZE = 10  # so many workers when managers die and workers stop
ONE_THREAD = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")


class Manager(ABC):
    """One process manager with one config section per worker, in a folder of its own."""

    name: ClassVar[str]
    settings: ClassVar[str]  # as the table tells them: the fastest sensible ones

    def __init__(self, folder: Path, count: int, tools: Tools) -> None:
        self.folder = folder
        self.tools = tools
        self.took_to_start_s = 0.0
        self.names = [f"w{number:03}" for number in range(count)]
        self.processes = Processes(str(folder))
        self.beats = Beats(self._beats_folder(), self.names)
        self.beats.folder.mkdir(parents=True, exist_ok=True)
        self._process: subprocess.Popen[bytes] | None = None
        self.configure()

    def _beats_folder(self) -> Path:
        return self.folder / "beats"

    @classmethod
    def version(cls, tools: Tools) -> str:
        """Return what was measured."""
        return tools.versions.get(cls.name, "?")

    @abstractmethod
    def configure(self) -> None:
        """Write what the manager reads."""

    @abstractmethod
    def launch(self) -> None:
        """Start it; also once more, after it was killed."""

    def root_pid(self) -> int:
        """Return the process that manages."""
        assert self._process is not None
        return self._process.pid

    def ask_stop(self) -> None:
        """Ask it to end everything gracefully."""
        os.kill(self.root_pid(), signal.SIGTERM)

    def end(self) -> None:
        """Kill whatever is left of this run."""
        self.processes.end()
        if self._process is not None:
            self._process.wait()

    def worker_command(self, name: str) -> list[str]:
        """Return how a worker is started by a manager that execs."""
        return [sys.executable, WORKER, name, str(self.beats.folder)]

    def environ(self, extra: Mapping[str, str] | None = None) -> dict[str, str]:
        """Return the environment of a run, which marks all that comes of it."""
        return {**os.environ, **ONE_THREAD, **self.tools.environ, MARK: str(self.folder), **(extra or {})}

    def spawn(self, command: Sequence[str], extra: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
        """Start a process in a session of its own; what it says goes to a file."""
        with open(self.folder / "said.txt", "ab") as said:
            return subprocess.Popen(
                command,
                cwd=self.folder,
                env=self.environ(extra),
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                start_new_session=True,
            )

    def write(self, path: str, text: str, mode: int = 0o644) -> Path:
        """Write a file of the configuration."""
        target = self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
        target.chmod(mode)
        return target
