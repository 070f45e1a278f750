"""Where makerd runs: the first thing that a door looks at. Written so that an old interpreter can still read it."""

import os
import sys

CHECKOUT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
OLDEST = (3, 11)
NEWEST = (3, 13)
OLDEST_KERNEL = (5, 4)  # pidfd_open and pidfd_send_signal


def unsupported(platform: str, version: "tuple[int, ...]") -> str:
    """Return why this system is refused, in one line; empty when it is not."""
    if not platform.startswith("linux"):
        return "makerd runs on Linux only (this is %s); use a Linux container, such as python:3.11-slim" % platform  # noqa: UP031
    if not OLDEST <= tuple(version[:2]) <= NEWEST:
        return "makerd needs Python 3.11, 3.12 or 3.13 (this is %d.%d); `make venv` makes a fitting environment" % (  # noqa: UP031
            version[0],
            version[1],
        )
    return ""


def old_kernel(release: str) -> str:
    """Return why this kernel is refused, in one line; empty when it is not."""
    numbers = tuple(int(part) for part in release.split("-")[0].split(".")[:2] if part.isdigit())
    if numbers < OLDEST_KERNEL:
        return "makerd needs Linux %d.%d or newer (this is %s)" % (*OLDEST_KERNEL, release)  # noqa: UP031
    return ""


def missing_module(name: str) -> str:
    """Return what to do when the module `name` of a dependency cannot be imported, in one line."""
    python = os.path.join(CHECKOUT, ".venv", "bin", "python")
    if os.path.exists(python) and os.path.abspath(sys.prefix) != os.path.join(CHECKOUT, ".venv"):
        return "module '%s' is missing in %s; use %s instead" % (name, sys.executable, python)  # noqa: UP031
    return "module '%s' is missing in %s; run `make venv` first, in %s" % (name, sys.executable, CHECKOUT)  # noqa: UP031


def refuse_unsupported() -> None:
    """End the process with one line and status 1 where makerd cannot run."""
    reason = unsupported(sys.platform, sys.version_info[:2]) or old_kernel(os.uname().release)
    if reason:
        sys.stderr.write(reason + "\n")
        raise SystemExit(1)
