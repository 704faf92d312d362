"""The token is nowhere but where the user keeps it: not said, not logged, not in the process list."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from boss_ingest.local.faults import Hold, Http

if TYPE_CHECKING:
    from boss_ingest.local.boss import LocalBoss
    from tests.command import Machine


def visible_to_others(pid: int) -> str:
    """What anybody on the machine may read about a process: its command line."""
    path = Path(f"/proc/{pid}/cmdline")
    if not path.exists():
        pytest.skip("looks at processes in /proc")
    said = path.read_text()
    assert "boss_ingest" in said
    return said


async def test_the_token_and_the_keys_show_nowhere_while_a_job_meets_all_kinds_of_trouble(
    machine: Machine, boss: LocalBoss, tile_job: Path
) -> None:
    hold = Hold()
    boss.faults.add("s3.PutObject", Http(503, "SlowDown"), times=2)
    boss.faults.add("s3.PutObject", Http(403, "InvalidAccessKeyId"))
    boss.faults.add("s3.PutObject", hold)
    boss.faults.add("rest.status", Http(500), times=2)
    running = await machine.start("run", tile_job, "--yes", "--log-level", "debug", "--progress", "json")
    await hold.arrived.wait()
    assert boss.token not in visible_to_others(running.pid)
    hold.release()
    ended = await running.ended()
    assert ended.code == 0, ended.all
    kept = [path for path in machine.memory.rglob("*") if path.is_file()]
    assert {path.parent.name for path in kept} == {"jobs", "logs"}
    rows = boss._state.database.read("SELECT access_key, secret_key FROM credentials")
    secrets = [boss.token, *(secret for _, secret in rows)]
    for text in (ended.out, ended.err, *(path.read_text() for path in kept)):
        assert not any(secret in text for secret in secrets)


async def test_a_wrong_token_is_refused_without_showing_it(
    machine: Machine, boss: LocalBoss, tile_job: Path
) -> None:
    (machine.home / ".intern/intern.cfg").write_text("[Default]\ntoken = 0123456789abcdef\n")
    ended = await machine.run("run", tile_job, "--yes")
    assert ended.code == 5, ended.all
    assert "0123456789abcdef" not in ended.err
    assert "intern.cfg" in ended.err
    log = next((machine.memory / "logs").iterdir()).read_text()
    assert "0123456789abcdef" not in log


async def test_no_token_at_all_names_every_place_that_was_looked_at(machine: Machine, tile_job: Path) -> None:
    (machine.home / ".intern/intern.cfg").unlink()
    ended = await machine.run("run", tile_job, "--yes")
    assert ended.code == 5
    for place in ("--token-file", "INTERN_TOKEN", ".intern/intern.cfg", "token.json"):
        assert place in ended.err


@pytest.mark.parametrize("place", ["file", "flag", "environment", "working directory"])
async def test_the_origin_of_the_token_is_told(machine: Machine, boss: LocalBoss, place: str) -> None:
    (machine.home / ".intern/intern.cfg").write_text("[Default]\ntoken = wrong\n")
    args: tuple[object, ...] = ()
    match place:
        case "file":
            (machine.cwd / "my-token").write_text(boss.token)
            args, origin = ("--token-file", "my-token"), "token from my-token"
        case "flag":
            args, origin = ("--api-token", boss.token), "on the command line"
        case "environment":
            machine.env["INTERN_TOKEN"], origin = boss.token, "INTERN_TOKEN"
        case _:
            (machine.home / ".intern/intern.cfg").unlink()
            (machine.cwd / "token.json").write_text(f'{{"token": "{boss.token}"}}')
            origin = "token.json"
    ended = await machine.run("jobs", "--host", boss.url, *args)
    assert ended.code == 0, ended.all
    assert origin in ended.err
    assert boss.token not in ended.out + ended.err
    assert ("can be seen by others" in ended.err) == (place == "flag")
