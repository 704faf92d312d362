"""What the command says, and its exit code, when something is wrong before there is a job."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from boss_ingest.config.loading import load_job_file
from boss_ingest.engine.options import Options
from boss_ingest.engine.plan import make_plan
from boss_ingest.errors import ConfigError
from boss_ingest.local.faults import Http
from boss_ingest.plugins.loading import load_source
from tests.local_jobs import Client

if TYPE_CHECKING:
    from tests.command import Machine
    from tests.fault.ground import Ground
    from tests.volumes import Source

Job = dict[str, Any]


def change(*path: str, to: object) -> Callable[[Job], object]:
    def write(job: Job) -> None:
        holder: Any = job
        for key in path[:-1]:
            holder = holder[key]
        holder[path[-1]] = to

    return write


def rewrite(path: Path, spoil: Callable[[Job], object]) -> None:
    job = json.loads(path.read_text())
    spoil(job)
    path.write_text(json.dumps(job))


def replace(path: Path, text: str | None) -> None:
    if text is None:
        path.unlink()
    else:
        path.write_text(text)


WRONG_FILES: dict[str, tuple[Callable[[Job], object], list[str]]] = {
    "unknown version": (change("schema", "name", to="boss-v0.9-schema"), ["schema.name", "boss-v0.9-schema"]),
    "unknown class": (
        change("client", "tile_processor", "class", to="ingestclient.plugins.stack.ZindexStackTileProcesor"),
        ["ZindexStackTileProcesor", "ZindexStackTileProcessor"],
    ),
    "unknown module": (
        change("client", "tile_processor", "class", to="nobodys_plugins.Tiles"),
        ["nobodys_plugins"],
    ),
    "extent reversed": (
        change("ingest_job", "extent", "x", to=[512, 0]),
        ["ingest_job.extent.x", "512"],
    ),
    "z misaligned": (change("ingest_job", "extent", "z", to=[3, 4]), ["ingest_job.extent.z", "16"]),
    "x misaligned": (change("ingest_job", "extent", "x", to=[100, 612]), ["ingest_job.extent.x", "512"]),
    "no extent": (lambda job: job["ingest_job"].pop("extent"), ["ingest_job.extent"]),
    "outside of the frame": (
        change("ingest_job", "extent", "y", to=[0, 8192]),
        ["ingest_job.extent.y", "4096"],
    ),
    "wrong resolution": (
        change("ingest_job", "resolution", to=2),
        ["ingest_job.resolution", "base_resolution"],
    ),
    "no such channel": (change("database", "channel", to="nowhere"), ["database.channel", "no such channel"]),
    "no such experiment": (
        change("database", "experiment", to="nowhere"),
        ["database.experiment", "no such experiment"],
    ),
    "no such collection": (
        change("database", "collection", to="nowhere"),
        ["database.collection", "no such collection"],
    ),
    "params missing": (
        change("client", "path_processor", "params", to={}),
        ["client.path_processor", "root_dir"],
    ),
}


async def refusal(job: Path, ground: Ground) -> ConfigError:
    """The error that `run` ends with before it asks whether to start."""

    async def plan() -> None:
        loaded = load_job_file(job)
        await make_plan(loaded, load_source(loaded), ground.client, Options(workers=1))

    with pytest.raises(ConfigError) as caught:
        await plan()
    assert caught.value.exit_code == 4
    return caught.value


@pytest.mark.parametrize(("spoil", "words"), WRONG_FILES.values(), ids=WRONG_FILES)
async def test_a_wrong_job_file_is_refused_by_field(
    spoil: Callable[[Job], object], words: list[str], ground: Ground, tile_job: Path
) -> None:
    rewrite(tile_job, spoil)
    said = str(await refusal(tile_job, ground))
    for word in words:
        assert word in said, said


@pytest.mark.parametrize("wrong", ["unknown class", "outside of the frame"])
async def test_the_command_makes_no_job_of_a_wrong_job_file(
    wrong: str, ground: Ground, machine: Machine, tile_job: Path
) -> None:
    spoil, words = WRONG_FILES[wrong]
    rewrite(tile_job, spoil)
    ended = await machine.run("run", tile_job, "--yes")
    assert ended.code == 4, ended.all
    assert all(word in ended.err for word in words), ended.all
    assert "Traceback" not in ended.err
    assert ground.faults.calls["rest.create"] == 0


@pytest.mark.parametrize(
    ("text", "word"),
    [(None, "tiles.json"), ("", "JSON"), ('{"schema": ', "JSON"), ("[1, 2]", ""), ("\x00\x01", "")],
    ids=["not found", "empty", "cut short", "a list", "binary"],
)
async def test_what_is_no_job_file_is_told_by_its_name(
    text: str | None, word: str, ground: Ground, tile_job: Path
) -> None:
    replace(tile_job, text)
    said = str(await refusal(tile_job, ground))
    assert str(tile_job) in said
    assert word in said


async def test_all_that_is_wrong_is_told_at_once(machine: Machine, tile_job: Path) -> None:
    rewrite(tile_job, change("ingest_job", "extent", "x", to=[512, 0]))
    rewrite(tile_job, change("ingest_job", "tile_size", "y", to=-1))
    ended = await machine.run("run", tile_job, "--yes")
    assert ended.code == 4
    for path in ("ingest_job.extent.x", "ingest_job.tile_size.y"):
        assert path in ended.err, ended.all


async def make_odd_channel(ground: Ground, wrong: str) -> None:
    facts = {"type": "image", "datatype": "uint32" if wrong == "uint32" else "uint8"}
    if wrong == "cloudvol":
        facts["storage_type"] = wrong
    url = "/v1/collection/col/experiment/exp/channel/odd"
    async with Client(ground.boss) as client:
        status, answer = await client.ask("POST", url, facts)
        assert status == 201, answer
        if wrong == "marked for deletion":
            status, answer = await client.ask("DELETE", url)
            assert status < 300, answer


@pytest.mark.parametrize("wrong", ["uint32", "cloudvol", "marked for deletion"])
async def test_a_channel_that_cannot_take_the_data_is_refused(
    wrong: str, ground: Ground, machine: Machine, slices: Source, tmp_path: Path
) -> None:
    await slices.make_channel(ground.boss)
    await make_odd_channel(ground, wrong)
    job = slices.write_job(tmp_path / "tiles.json", ground.boss, channel="odd")
    ended = await machine.run("run", job, "--yes")
    assert ended.code == 4, ended.all
    assert wrong in ended.err, ended.all
    assert "database.channel" in ended.err
    assert ground.faults.calls["rest.create"] == 0


async def test_without_a_token_it_says_where_it_looked(
    ground: Ground, machine: Machine, tile_job: Path
) -> None:
    (machine.home / ".intern/intern.cfg").unlink()
    ended = await machine.run("run", tile_job, "--yes")
    assert ended.code == 5, ended.all
    assert "intern.cfg" in ended.err
    assert "--token-file" in ended.err


async def test_a_wrong_token_is_not_shown_and_ends_with_5(
    ground: Ground, machine: Machine, tile_job: Path
) -> None:
    wrong = "0123456789abcdef0123456789abcdef01234567"
    (machine.cwd / "token.txt").write_text(wrong)
    ended = await machine.run("run", tile_job, "--yes", "--token-file", "token.txt")
    assert ended.code == 5, ended.all
    assert "token" in ended.err
    assert wrong not in ended.out + ended.err
    assert ground.faults.calls["rest.create"] == 0


async def test_a_job_of_another_user_cannot_be_joined(
    ground: Ground, machine: Machine, tile_job: Path
) -> None:
    job_id = await ground.create(tile_job)
    (machine.cwd / "token.txt").write_text(ground.boss.token_for("somebody"))
    ended = await machine.run("join", tile_job, "--job-id", job_id, "--token-file", "token.txt")
    assert ended.code == 5, ended.all
    assert "the user who created the job" in ended.err
    assert ground.left_in_queue(job_id) == 4


async def test_a_missing_permission_ends_with_5(ground: Ground, machine: Machine, tile_job: Path) -> None:
    ground.faults.add("rest.create", Http(403, 3000, "You are not a resource manager"), times=None)
    ended = await machine.run("run", tile_job, "--yes")
    assert ended.code == 5, ended.all
    assert "resource-manager" in ended.err


async def test_joining_with_another_job_s_file_names_the_difference(
    ground: Ground, machine: Machine, tile_job: Path
) -> None:
    job_id = await ground.create(tile_job)
    rewrite(tile_job, change("ingest_job", "extent", "z", to=[0, 3]))
    ended = await machine.run("join", tile_job, "--job-id", job_id)
    assert ended.code == 4, ended.all
    assert "3 tasks" in ended.err
    assert "has 4" in ended.err
