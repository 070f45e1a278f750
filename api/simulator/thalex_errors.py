"""Thalex's error codes, and which one answers what the exchange refused. Codes: exchanges/thalex.md, section 8."""

from __future__ import annotations

NOT_FOUND = 1
DUPLICATE_CLIENT_ID = 2
THROTTLE = 4
UNKNOWN_INSTRUMENT = 5
INVALID_REQUEST = 6
NOT_LOGGED_IN = 7
ALREADY_SUBSCRIBED = 8
NOT_SUBSCRIBED = 9
PARTITION_UNAVAILABLE = 10
INVALID_ORDER_ID = 12
PRICE = 13
QUANTITY = 14
PRICE_TICK = 15
LOGIN_FAILED = 19
TEMPORARY = 20
PROTECTION_GROUP = 22
PROTECTION_NOT_SET = 23
MARGIN = 24
TIME_IN_FORCE = 25
UNAUTHORISED = 28
UNKNOWN_METHOD = 31
NO_LIQUIDITY = 41
COLLAR = 43
QUOTE_TOO_LARGE = 44
TOO_MANY_ORDERS = 49
PERSISTENT_SESSION = 52
REDUCE_ONLY = 57

TEXTS = {
    NOT_FOUND: "order not found",
    DUPLICATE_CLIENT_ID: "duplicate client order id",
    THROTTLE: "throttle exceeded",
    UNKNOWN_INSTRUMENT: "unknown instrument",
    INVALID_REQUEST: "invalid request",
    NOT_LOGGED_IN: "not logged in",
    ALREADY_SUBSCRIBED: "already subscribed",
    NOT_SUBSCRIBED: "not subscribed",
    PARTITION_UNAVAILABLE: "partition unavailable",
    INVALID_ORDER_ID: "invalid order id",
    PRICE: "invalid price",
    QUANTITY: "invalid amount",
    PRICE_TICK: "price is not aligned to the tick size",
    LOGIN_FAILED: "authentication failed",
    TEMPORARY: "temporary failure",
    PROTECTION_GROUP: "invalid protection group",
    PROTECTION_NOT_SET: "market maker protection is not set",
    MARGIN: "insufficient margin",
    TIME_IN_FORCE: "invalid time in force",
    UNAUTHORISED: "unauthorised",
    UNKNOWN_METHOD: "unknown method",
    NO_LIQUIDITY: "no liquidity",
    COLLAR: "price is outside the collar",
    QUOTE_TOO_LARGE: "quote amount above protection",
    TOO_MANY_ORDERS: "too many open orders",
    PERSISTENT_SESSION: "session is persistent",
    REDUCE_ONLY: "order would not reduce the position",
}

# What the client did wrong, as counted for the control port; what no client can avoid (margin, liquidity) is not here.
VIOLATIONS = {
    NOT_FOUND: "unknown_order",
    DUPLICATE_CLIENT_ID: "duplicate_client_id",
    THROTTLE: "rate_limited",
    UNKNOWN_INSTRUMENT: "unknown_instrument",
    INVALID_REQUEST: "bad_request",
    NOT_LOGGED_IN: "not_logged_in",
    INVALID_ORDER_ID: "bad_order_id",
    PRICE: "bad_price",
    QUANTITY: "bad_size",
    PRICE_TICK: "off_tick",
    LOGIN_FAILED: "bad_signature",
    QUOTE_TOO_LARGE: "quote_too_large",
    PROTECTION_NOT_SET: "protection_not_set",
    TIME_IN_FORCE: "bad_time_in_force",
    UNAUTHORISED: "unauthorised",
    UNKNOWN_METHOD: "unknown_method",
    COLLAR: "outside_collar",
    PERSISTENT_SESSION: "persistent_session",
}

# reasons of SimOrder.state REJECTED (api/simulator/exchange.py), by their beginning
_REASONS = (
    ("insufficient", MARGIN),
    ("reduce_only", REDUCE_ONLY),
    ("duplicate_client_id", DUPLICATE_CLIENT_ID),
    ("too_many_open_orders", TOO_MANY_ORDERS),
    ("no_market", NO_LIQUIDITY),
    ("min_size", QUANTITY),
    ("min_notional", QUANTITY),
    ("price", PRICE),
    ("time_in_force", TIME_IN_FORCE),
    ("post_only_cannot_be_ioc", TIME_IN_FORCE),
)


class RpcError(Exception):
    """A request is refused with a code of the venue; nothing was changed. An empty violation: nobody's fault."""

    def __init__(self, code: int, message: str = "", violation: str | None = None) -> None:
        super().__init__(message or TEXTS.get(code, "error"))
        self.code = code
        self.violation = VIOLATIONS.get(code, "") if violation is None else violation

    def as_json(self) -> dict[str, object]:
        """Return the `error` member of a reply."""
        return {"code": self.code, "message": str(self)}


def refusal(reason: str) -> RpcError:
    """Return the error for what the exchange refused."""
    for beginning, code in _REASONS:
        if reason.startswith(beginning):
            return RpcError(code)
    return RpcError(TEMPORARY, f"refused: {reason}")
