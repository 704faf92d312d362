"""A row of the matrix: what goes wrong, and how a run of the engine must end because of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from tests.fault.matrix_rig import KINDS, Kind, Rig

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.fault.proxy import Fault
    from tests.fault.proxy_faults import On

    Arm = Callable[[Rig], Awaitable[None] | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One fault.

    `arm` is called when the job is there, before the engine works on it; `ends` are the exit codes that are
    right for that first run. When it is not 0 the fault is lifted, and a second run must complete the job:
    by `join`, or, when the job is no more, with a `new job`.
    """

    name: str
    arm: Arm
    ends: tuple[int, ...] = (0,)
    then: Literal["join", "new job"] = "join"
    kinds: tuple[Kind, ...] = KINDS
    settings: dict[str, Any] = field(default_factory=dict)  # the knobs of the local Boss
    options: dict[str, Any] = field(default_factory=dict)  # of the engine, in the first run
    happened: Callable[[Rig], object] = lambda rig: any(seen.met for seen in rig.proxy.log)
    also: Callable[[Rig], None] = lambda _rig: None  # what else must be true in the end
    runs: int = 1  # clients that work on the job at once


def on(where: On, fault: Fault, **how: Any) -> Arm:
    """Arm the proxy with one fault."""

    def arm(rig: Rig) -> None:
        rig.proxy.add(where, fault, **how)

    return arm


def together(*arms: Arm) -> Arm:
    """Arm several."""

    async def arm(rig: Rig) -> None:
        for one in arms:
            if (armed := one(rig)) is not None:
                await armed

    return arm


def sometimes(where: str, fault: Fault, *, first: int = 2, chance: float = 0.25) -> Arm:
    """The first requests surely, and then so many of all that follow."""
    return together(on(where, fault, times=first), on(where, fault, times=None, chance=chance))


def nothing(_rig: Rig) -> None:
    """The settings do it."""


def by_settings(_rig: Rig) -> bool:
    """It happens inside the Boss, where the proxy does not see it."""
    return True
