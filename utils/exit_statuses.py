"""Exit statuses of workers, foreground runs and commands (the numbers of sysexits.h where one fits)."""

DONE = 0
REFUSED = 1  # commands: refused or failed, with one clear line
COMMAND_USAGE = 2  # commands: usage
USAGE = 64
CRASH = 70
VENUE_UNREACHABLE = 75
AUTH = 76
RISK_HALT = 77
CONFIG = 78
