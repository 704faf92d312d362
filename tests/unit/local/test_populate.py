"""The messages of a job: which, in which order, and how fast."""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING

import pytest

from boss_ingest.boss.keys import LookupIds
from boss_ingest.local.job_plan import Plan
from boss_ingest.local.populate import chunk_tasks, messages, tile_tasks, write_messages
from boss_ingest.local.queue_store import Queue

if TYPE_CHECKING:
    from pathlib import Path

IDS = LookupIds(4, 9, 27)


def tile_plan(
    x: tuple[int, int], y: tuple[int, int], z: tuple[int, int], t: tuple[int, int] = (0, 1)
) -> Plan:
    start, stop = zip(x, y, z, t, strict=True)
    return Plan("tile", start, stop, (512, 512, 1, 1))


def chunk_plan(
    x: tuple[int, int], y: tuple[int, int], z: tuple[int, int], size: tuple[int, int, int], dt: int = 1
) -> Plan:
    start, stop = zip(x, y, z, (0, dt), strict=True)
    return Plan("volumetric", start, stop, (*size, 1))


FIRST_CHUNK = "ca494d4f6199bb70facb289e1c1c96b6&16&4&9&27&0&0&0&0&0"


@pytest.mark.parametrize(
    ("number", "chunk", "tile"),
    [
        (0, FIRST_CHUNK, "225414400ae108153ca3744836e7040d&{}&0&0&0&0"),
        (15, FIRST_CHUNK, "c528af797231c98965294a0a114a0bff&{}&0&0&15&0"),
        (16, "94d1fe2ad0c0d716e474ece17674eaf8&16&{}&1&0&0&0", "c7b7e8de4577e752dbaa3ec61e69a429&{}&1&0&0&0"),
        (
            256,
            "9ba02ec55e990644dcbf69d83af1a1c3&16&{}&0&0&1&0",
            "bc30c67f663063a72152a7b711d16611&{}&0&0&16&0",
        ),
        (
            512,
            "3910e6e9a617773c29b4b70d69ff464d&8&{}&0&0&2&0",
            "f34945e1d15124f02a31babc1471d957&{}&0&0&32&0",
        ),
        (
            639,
            "62063e3c1a12f6e40405f9e00d22a2fe&8&{}&3&3&2&0",
            "f45d0509c91e34f4ec9be363ce2923df&{}&3&3&39&0",
        ),
    ],
)
def test_tiles_come_in_the_order_of_the_boss(number: int, chunk: str, tile: str) -> None:
    tasks = list(tile_tasks(tile_plan((0, 2048), (0, 2048), (0, 40)), IDS, 0))
    assert len(tasks) == 640
    assert tasks[number] == (chunk.format("4&9&27&0"), tile.format("4&9&27&0"))


def test_tile_indices_are_absolute() -> None:
    plan = tile_plan((1024, 2600), (512, 1024), (32, 37), (0, 2))
    tasks = list(tile_tasks(plan, IDS, 0))
    assert len(tasks) == plan.task_count == 40
    assert tasks[0] == (
        "1254ebffae5f723e966307aab8bdc015&5&4&9&27&0&2&1&2&0",
        "4ae0a448f1d741cc1ae8d637bf7689dc&4&9&27&0&2&1&32&0",
    )
    assert tasks[-1] == (
        "ee5caa114647d5e3d236220d8e6e1c09&5&4&9&27&0&5&1&2&1",
        "199ea14e6da505d9e00be979ed29fe1e&4&9&27&0&5&1&36&1",
    )


def test_a_chunk_lists_all_its_cuboids() -> None:
    plan = chunk_plan((4096, 5120), (2048, 3072), (128, 192), (1024, 1024, 64))
    (task,) = chunk_tasks(plan, LookupIds(11, 22, 33), 0)
    assert task["chunk_key"] == "28a4a57275db7caf3d51ca4635dc60ac&1&11&22&33&0&4&2&2&0"
    cuboids = task["cuboids"]
    assert isinstance(cuboids, list)
    assert len(cuboids) == 16
    assert cuboids[0] == {"x": 0, "y": 0, "z": 0, "key": "c98c9eb90d0123d9621927e73d1762a7&11&22&33&0&0&2688"}
    assert cuboids[-1] == {
        "x": 512, "y": 512, "z": 48, "key": "986e334affbf3c5686b4ed94356d19ad&11&22&33&0&0&2727"
    }  # fmt: skip


def test_the_cuboids_of_the_protocols_example_have_its_keys() -> None:
    (task,) = chunk_tasks(chunk_plan((0, 1024), (0, 1024), (0, 64), (1024, 1024, 64)), IDS, 0)
    assert task["chunk_key"] == "29508dc8ca198723e7a95be31a5c73f0&1&4&9&27&0&0&0&0&0"
    cuboids = task["cuboids"]
    assert isinstance(cuboids, list)
    assert [(one["x"], one["y"], one["z"], one["key"]) for one in cuboids[:5]] == [
        (0, 0, 0, "b5d484014efcad449ee287d190c54cca&4&9&27&0&0&0"),
        (512, 0, 0, "49782464fee0f446d482a3c8d9056222&4&9&27&0&0&1"),
        (0, 512, 0, "24b983e2af4dc593d9ca4dc4cf98b50a&4&9&27&0&0&2"),
        (512, 512, 0, "e566313e4c1e64200d706b8391731a55&4&9&27&0&0&3"),
        (0, 0, 16, "7f37a18b232c68db7d3d2b09848fdc0f&4&9&27&0&0&4"),
    ]


def test_a_misaligned_start_floors_the_index_of_the_chunk_but_not_its_cuboids() -> None:
    plan = chunk_plan((512, 2048), (0, 1000), (16, 50), (1024, 1024, 64))
    tasks = list(chunk_tasks(plan, IDS, 0))
    assert [(task["chunk_key"], task["cuboids"][0]["key"]) for task in tasks] == [  # type: ignore[index]  # of objects
        (
            "29508dc8ca198723e7a95be31a5c73f0&1&4&9&27&0&0&0&0&0",
            "338d0b5dc7608dd058c0af01f1d1dc81&4&9&27&0&0&5",
        ),
        (
            "bb57c24639078d475d1e99d38806ca0d&1&4&9&27&0&1&0&0&0",
            "241b4e25a303533d73ab86e388de8e8f&4&9&27&0&0&13",
        ),
    ]


def test_several_samples_of_a_volume_are_expected_but_never_generated() -> None:
    plan = chunk_plan((0, 1024), (0, 1024), (0, 16), (512, 512, 16), dt=3)
    assert len(list(chunk_tasks(plan, IDS, 0))) == 4
    assert plan.message_count == 12


def test_the_sample_size_of_a_tile_changes_the_count_but_not_the_messages() -> None:
    plan = Plan("tile", (0, 0, 0, 0), (512, 512, 1, 4), (512, 512, 1, 2))
    assert plan.task_count == 2
    assert plan.message_count == 4 == len(list(tile_tasks(plan, IDS, 0)))


def test_messages_have_the_five_keys_of_a_tile_task() -> None:
    plan = tile_plan((0, 512), (0, 512), (0, 1))
    (body,) = messages(plan, IDS, 0, upload_url="u", ingest_url="i", job_id=11)
    task = json.loads(body)
    assert (task["job_id"], task["upload_queue_arn"], task["ingest_queue_arn"]) == (11, "u", "i")
    assert (task["chunk_key"], task["tile_key"]) == next(tile_tasks(plan, IDS, 0))
    assert len(task) == 5


async def test_a_filled_file_is_a_queue(tmp_path: Path) -> None:
    heard: list[int] = []
    bodies = (str(number) for number in range(12_000))
    count = write_messages(tmp_path / "q.sqlite", bodies, progress=heard.append)
    queue = Queue(tmp_path / "q.sqlite", name="q", secret=b"s", visibility_s=60.0)
    assert (count, heard[-1], queue.depth().visible) == (12_000, 12_000, 12_000)
    assert [one.body for one in await queue.receive(3, wait_s=0)] == ["0", "1", "2"]
    queue.close()


async def test_a_shuffled_queue_delivers_everything_in_another_order(tmp_path: Path) -> None:
    bodies = [str(number) for number in range(100)]
    write_messages(tmp_path / "q.sqlite", iter(bodies), progress=lambda _: None, shuffle_seed=1)
    queue = Queue(tmp_path / "q.sqlite", name="q", secret=b"s", visibility_s=60.0)
    found = [one.body for _ in range(10) for one in await queue.receive(10, wait_s=0)]
    assert found != bodies
    assert sorted(found, key=int) == bodies
    queue.close()


def test_a_fill_that_is_told_to_stop_stops(tmp_path: Path) -> None:
    def refuse(_: int) -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        write_messages(tmp_path / "q.sqlite", map(str, itertools.count()), progress=refuse)
