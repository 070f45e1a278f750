"""JSON of a venue: exact, and garbage is a ValueError."""

from __future__ import annotations

from decimal import Decimal

import pytest

from api.wire_json import dumps, loads, loads_exact


def test_numbers_with_a_fraction_never_go_through_binary() -> None:
    assert loads_exact(b'{"p":60000.10000000000000001,"n":3,"e":1e-3}') == {
        "p": Decimal("60000.10000000000000001"),
        "n": 3,
        "e": Decimal("0.001"),
    }


@pytest.mark.parametrize("read", [loads, loads_exact])
@pytest.mark.parametrize(
    "garbage",
    ["", "{", b"\xff\xfe", "[NaN]", "[-Infinity]", '{"a":1}x', "[" * 100_000, "1" * 5000, "nul", b"\x00", "\ud800"],
)
def test_garbage_is_a_value_error(read: type, garbage: str | bytes) -> None:
    with pytest.raises(ValueError):
        read(garbage)


@pytest.mark.parametrize("number", ["1e999999999", "-1e-999999999", "0." + "1" * 100])
def test_a_number_that_no_venue_sends_is_refused(number: str) -> None:
    with pytest.raises(ValueError, match="too long"):
        loads_exact(f"[{number}]")


def test_texts_stay_texts_and_big_integers_whole() -> None:
    assert loads('{"price":"150.250","id":123456789012345678901234567890}') == {
        "price": "150.250",
        "id": 123456789012345678901234567890,
    }


def test_what_is_written_is_compact_and_takes_no_decimal_or_nan() -> None:
    assert dumps({"a": [1, "é"], "b": None}) == '{"a":[1,"é"],"b":null}'
    with pytest.raises(TypeError):
        dumps({"price": Decimal("1.5")})
    with pytest.raises(ValueError):
        dumps(float("nan"))
