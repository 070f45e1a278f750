"""The simulator's check of a Backpack signature: it takes every signature of the vectors and no changed one."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from api.simulator.backpack_auth import INSTRUCTIONS, KeyRing, Refusal, public_key_of, signing_string, verifies

_GOLDEN = Path(__file__).parent.parent / "golden" / "backpack"
_VECTORS = json.loads((_GOLDEN / "signing.json").read_text())
_KEY = _VECTORS["keys"]["public_key_base64"]
_SIGNED = [case for case in _VECTORS["cases"] if "signing_string" in case["expected"]]


def _sets(params: Any) -> list[Any]:
    return [found.items() for found in params] if isinstance(params, list) else [(params or {}).items()]


def _when(case: Mapping[str, Any]) -> tuple[str, str]:
    return str(case["inputs"]["timestamp"]), str(case["inputs"]["window"])


@pytest.mark.parametrize("case", _SIGNED, ids=lambda case: case["id"])
def test_signing_string_is_the_vectors_one_and_its_signature_is_accepted(case: Mapping[str, Any]) -> None:
    inputs, expected = case["inputs"], case["expected"]
    text = signing_string(inputs["instruction"], _sets(inputs.get("params")), *_when(case))
    assert text == expected["signing_string"]
    assert verifies(_KEY, expected["signature"], text)


@pytest.mark.parametrize("case", _SIGNED, ids=lambda case: case["id"])
def test_the_instruction_of_a_path_is_the_vectors_one(case: Mapping[str, Any]) -> None:
    if case["kind"] == "rest_sign":
        assert INSTRUCTIONS[case["inputs"]["method"], case["inputs"]["path"]] == case["inputs"]["instruction"]


@pytest.mark.parametrize("case", _SIGNED, ids=lambda case: case["id"])
def test_a_changed_text_or_signature_is_refused(case: Mapping[str, Any]) -> None:
    text, signature = case["expected"]["signing_string"], case["expected"]["signature"]
    changed = bytearray(base64.b64decode(signature))
    changed[0] ^= 1
    assert not verifies(_KEY, base64.b64encode(changed).decode(), text)
    assert not verifies(_KEY, signature, text.replace("window", "windows"))
    assert not verifies(base64.b64encode(bytes(32)).decode(), signature, text)


def test_a_boolean_signed_with_a_capital_is_refused() -> None:
    (case,) = [case for case in _VECTORS["cases"] if case["kind"] == "must_differ"]
    right, wrong = case["expected"]["right_signing_string"], case["expected"]["wrong_signature"]
    assert verifies(_KEY, case["expected"]["right_signature"], right)
    assert not verifies(_KEY, wrong, right)


def test_the_public_key_follows_from_the_seed() -> None:
    assert public_key_of(base64.b64decode(_VECTORS["keys"]["seed_base64"])) == _KEY


@pytest.mark.parametrize("signature", ["", "no base64!", "AAAA", "a" * 200])
def test_nonsense_for_a_signature_is_refused_not_raised(signature: str) -> None:
    assert not verifies(_KEY, signature, "instruction=balanceQuery")


def _ask(ring: KeyRing, key: str = _KEY, late_ms: int = 0, window: str = "5000", signature: str | None = None) -> str:
    case = _SIGNED[0]
    now_ms = case["inputs"]["timestamp"] + late_ms
    signature = case["expected"]["signature"] if signature is None else signature
    return ring.authenticate(key, signature, "balanceQuery", [], _when(case)[0], window, now_ms)


def test_a_known_key_within_its_window_is_its_account() -> None:
    assert _ask(KeyRing({_KEY: "a"}), late_ms=4_999) == "a"


@pytest.mark.parametrize(
    ("changes", "status", "code", "words"),
    [
        ({"late_ms": 5_001}, 400, "INVALID_CLIENT_REQUEST", "Request has expired"),
        ({"late_ms": -5_001}, 400, "INVALID_CLIENT_REQUEST", "Invalid timestamp"),
        ({"window": "60001"}, 400, "INVALID_CLIENT_REQUEST", "Invalid window"),
        ({"window": "5 s"}, 400, "INVALID_CLIENT_REQUEST", "Invalid timestamp or window"),
        ({"window": "5001"}, 400, "INVALID_SIGNATURE", "Invalid signature"),
        ({"signature": ""}, 401, "UNAUTHORIZED", "Missing API key"),
        ({"key": ""}, 401, "UNAUTHORIZED", "Missing API key"),
        ({"key": base64.b64encode(bytes(32)).decode()}, 401, "UNAUTHORIZED", "Unknown or revoked"),
    ],
)
def test_a_request_that_is_not_right_is_refused_in_the_venues_words(
    changes: dict[str, Any], status: int, code: str, words: str
) -> None:
    with pytest.raises(Refusal) as refused:
        _ask(KeyRing({_KEY: "a"}), **changes)
    assert (refused.value.status, refused.value.code) == (status, code)
    assert words in refused.value.message


def test_a_key_that_was_taken_back_is_refused() -> None:
    ring = KeyRing({_KEY: "a"})
    ring.revoked.add("a")
    with pytest.raises(Refusal) as refused:
        _ask(ring)
    assert refused.value.code == "UNAUTHORIZED"
