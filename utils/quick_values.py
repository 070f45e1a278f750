"""Frozen dataclasses that are made quickly: filling a frozen one costs four times what filling an open one does."""

from __future__ import annotations

import dataclasses
from typing import Any, TypeVar

T = TypeVar("T")


def quickly_made(kind: type[T]) -> type[T]:
    """Have each instance of a frozen dataclass with slots filled while it is open; its class freezes it afterwards.

    For values that are made by the thousand in a second. Raises TypeError for a dataclass that needs more than values:
    with a default factory, a field outside of `__init__` or a `__post_init__`.
    """
    fields = dataclasses.fields(kind)  # type: ignore[arg-type]
    if hasattr(kind, "__post_init__") or any(not _is_plain(field) for field in fields):
        raise TypeError(f"{kind.__name__} cannot be made quickly")
    names = [field.name for field in fields]
    # The layout of both classes is the same, so that one instance can be of either.
    scope: dict[str, Any] = {"_new": object.__new__, "_open": type(kind.__name__, (), {"__slots__": tuple(names)})}
    scope |= {f"_{field.name}": field.default for field in fields}
    required = dataclasses.MISSING
    told = [field.name if field.default is required else f"{field.name}=_{field.name}" for field in fields]
    filled = "; ".join(f"self.{name} = {name}" for name in names)
    source = f"def __new__(cls, {', '.join(told)}):\n self = _new(_open); {filled}; self.__class__ = cls; return self"
    exec(source, scope)  # as dataclasses itself does; made of the names of fields
    kind.__new__ = scope["__new__"]  # type: ignore[method-assign]
    del kind.__init__
    kind.__reduce__ = lambda self: (kind, tuple(getattr(self, name) for name in names))  # type: ignore[method-assign]
    return kind


def _is_plain(field: dataclasses.Field[Any]) -> bool:
    return field.init and not field.kw_only and field.default_factory is dataclasses.MISSING
