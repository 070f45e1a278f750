"""Samples of Thalex's messages."""

from __future__ import annotations

from pathlib import Path

from api.wire_json import loads_exact

GOLDEN = Path(__file__).resolve().parents[1] / "golden/thalex"
PUBLISHED = {
    example["pointer"]: example["payload"]
    for example in loads_exact((GOLDEN / "published_examples.json").read_text())["examples"]
}
