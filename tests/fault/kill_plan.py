"""What a seed of the kill tests means: who is struck, how, and at which moment of which kind of job."""

from __future__ import annotations

import random
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

MOST_PUTS = 16  # of the 18 objects that either source becomes


class Blow(StrEnum):
    """Who is struck, and how."""

    KILL = "SIGKILL of a client"
    STOP = "SIGSTOP of a client past its leases, then SIGCONT"
    TERM = "SIGTERM of a client"
    INTERRUPT = "SIGINT of a client, twice"
    BOSS = "kill -9 of the Boss, and its restart"
    BOTH = "kill -9 of a client and of the Boss"

    @property
    def ends_client(self) -> bool:
        """Whether the client struck is gone afterwards, without another word."""
        return self in {Blow.KILL, Blow.BOTH}

    @property
    def ends_boss(self) -> bool:
        return self in {Blow.BOSS, Blow.BOTH}


@dataclass(frozen=True, slots=True)
class Stage:
    """A moment in the life of a job: around one kind of request of a client, or any time at all."""

    name: str
    operation: str  # as the proxy names it
    moment: Literal["before", "during", "after"]
    occurrences: int = 1  # that every run is sure to come to
    drained: bool = False  # only once the upload queue is empty
    of_tiles: bool = False  # volumetric jobs have no such moment


STAGES = (
    Stage("before the job is made", "rest.create", "before"),
    Stage("while the job is made", "rest.create", "during"),
    Stage("after the job is made", "rest.create", "after"),
    Stage("before the join", "rest.join", "before"),
    Stage("after the join", "rest.join", "after"),
    Stage("after a lease", "sqs.ReceiveMessage", "after", 2),
    Stage("before a PUT", "s3.PutObject", "before", MOST_PUTS),
    Stage("during a PUT", "s3.PutObject", "during", MOST_PUTS),
    Stage("after a PUT", "s3.PutObject", "after", MOST_PUTS),
    Stage("before an index message", "sqs.SendMessageBatch", "before", 3, of_tiles=True),
    Stage("after an index message", "sqs.SendMessageBatch", "after", 3, of_tiles=True),
    Stage("before a delete", "sqs.DeleteMessageBatch", "before", 3),
    Stage("after a delete", "sqs.DeleteMessageBatch", "after", 3),
    Stage("drained", "sqs.GetQueueAttributes", "before", drained=True),
    Stage("before the Boss is asked to complete", "rest.complete", "before", 2),
    Stage("while the Boss is asked to complete", "rest.complete", "during", 2),
    Stage("after the Boss is asked to complete", "rest.complete", "after", 2),
    Stage("verifying", "rest.status", "before"),
    Stage("any time", "", "before"),
)
BLOWS = tuple(Blow)


@dataclass(frozen=True, slots=True)
class Plan:
    """One run. Times in seconds."""

    seed: int
    stage: Stage
    blow: Blow
    kind: Literal["tile", "volumetric"]
    clients: int  # at work when the blow falls
    occurrence: int
    delay_s: float  # until the Boss dies of a blow during a request
    any_time_s: float  # after the first request, when the blow falls at any time
    down_s: float  # before the Boss is started again
    held: bool  # of SIGSTOP: the request of the moment is on its way as long as its client is stopped
    outlasted: bool  # of SIGSTOP: the other client finishes the job meanwhile

    @classmethod
    def of(cls, seed: int) -> Plan:
        """Any 114 seeds in a row have every blow at every stage; dice say the rest."""
        dice = random.Random(f"kill {seed}")
        stage = STAGES[seed % len(STAGES)]
        return cls(
            seed,
            stage,
            BLOWS[seed % len(BLOWS)],
            kind="tile" if stage.of_tiles else dice.choice(("tile", "volumetric")),
            clients=1 if stage.operation == "rest.create" else dice.choice((1, 2)),
            occurrence=dice.randint(1, stage.occurrences),
            delay_s=dice.uniform(0.0, 0.02),
            any_time_s=dice.uniform(0.0, 3.0),
            down_s=dice.choice((0.0, dice.uniform(0.0, 2.0))),
            held=dice.random() < 0.5 and bool(stage.operation),
            outlasted=dice.random() < 0.5,
        )

    def __str__(self) -> str:
        many = "two clients" if self.clients == 2 else "one client"
        return f"seed {self.seed}: {self.blow}, {self.stage.name} ({self.occurrence}), {self.kind}, {many}"
