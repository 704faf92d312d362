"""The answers to "is the job complete?", told apart: docs/protocol.md, "Completing"."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeAlias

from boss_ingest.boss.answers import BAD_REQUEST, Answer
from boss_ingest.boss.jobs import JobState

_LONGEST_WAIT_S = 600.0
_UNTOLD_WAIT_S = 15.0


@dataclass(frozen=True, slots=True)
class Completed:
    """Done. The job's queues and keys are gone."""


@dataclass(frozen=True, slots=True)
class Verifying:
    """The server looks for what is missing; ask for the status until it is no longer COMPLETING."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Not yet; ask again after `wait_s`. `state` is None when the answer does not tell it."""

    state: JobState | None
    wait_s: float
    why: str


@dataclass(frozen=True, slots=True)
class QueueNotEmpty:
    """There are tiles or chunks left to upload."""


Completion: TypeAlias = Completed | Verifying | Wait | QueueNotEmpty


def read_completion(answer: Answer) -> Completion | None:
    """What the answer means; None when only the job's status can tell, or when it is an error."""
    data = answer.data
    if answer.status == 204:
        return Completed()
    if answer.status not in (202, 400) or not isinstance(data, dict):
        return None
    state = _state(data.get("job_status"))
    if state is JobState.COMPLETING:
        return Verifying()
    if "wait_secs" in data or state is JobState.WAIT_ON_QUEUES:
        why = answer.message or "the Boss waits for its queues to stay empty"
        return Wait(state, wait_s(data.get("wait_secs")), why)
    return _of_refusal(answer)


def tells_a_state(answer: Answer) -> bool:
    """Whether the answer is the Boss's and names a state of the job, be it one that makes no sense there."""
    data = answer.data
    return answer.status < 300 and isinstance(data, dict) and _state(data.get("job_status")) is not None


def _of_refusal(answer: Answer) -> Completion | None:
    if answer.code == BAD_REQUEST and answer.message == "Upload queue is not empty":
        return QueueNotEmpty()
    if answer.code == BAD_REQUEST and answer.message.endswith("queue is not empty"):
        return Wait(None, _UNTOLD_WAIT_S, answer.message)
    return None


def completion_of_state(state: JobState, why: str) -> Completion | None:
    """The same from a status, for refusals that say too little; None for a job that cannot complete."""
    match state:
        case JobState.COMPLETE:
            return Completed()
        case JobState.COMPLETING:
            return Verifying()
        case JobState.WAIT_ON_QUEUES:
            return Wait(state, _UNTOLD_WAIT_S, why)
        case JobState.UPLOADING:
            return QueueNotEmpty()
        case _:
            return None


def wait_s(told: object) -> float:
    """A wait as told, at least a second: the server says 0 when it has not looked (and may say nonsense)."""
    if isinstance(told, bool) or not isinstance(told, int | float):
        return _UNTOLD_WAIT_S
    if isinstance(told, float) and math.isnan(told):
        return _UNTOLD_WAIT_S
    return float(min(_LONGEST_WAIT_S, max(1.0, told)))


def _state(value: object) -> JobState | None:
    return JobState(value) if isinstance(value, int) and value in set(JobState) else None
