"""Reads that hang: on real files, pipes that nobody writes to. They hold up nothing else."""

import asyncio
import os
import subprocess
import sys
import threading

import pytest

from boss_ingest.errors import SourceError
from boss_ingest.plugins import files
from boss_ingest.plugins.files import Folder
from boss_ingest.plugins.read_threads import ReadThreads

pytestmark = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes with names are a thing of POSIX")


@pytest.fixture
def pipe(tmp_path):
    """A file whose reading hangs until the test is over."""
    path = tmp_path / "hangs.png"
    os.mkfifo(path)
    yield path
    writer = os.open(path, os.O_RDWR)
    os.close(writer)


async def test_more_reads_than_threads_may_hang_and_others_go_on(tmp_path, pipe, monkeypatch):
    monkeypatch.setattr(files, "READ_TIMEOUT_S", 0.05)
    (tmp_path / "good.png").write_bytes(b"pixels")
    folder = Folder(str(tmp_path))
    hanging = [folder.read(str(pipe), most_bytes=10) for _ in range(50)]
    for error in await asyncio.gather(*hanging, return_exceptions=True):
        assert isinstance(error, SourceError)
        assert "hangs.png could not be read within" in error.what
    monkeypatch.setattr(files, "READ_TIMEOUT_S", 30.0)
    assert await folder.read(str(tmp_path / "good.png"), most_bytes=10) == b"pixels"
    assert await asyncio.to_thread(lambda: 1) == 1


async def test_who_waits_for_a_thread_gets_one_that_takes_the_place_of_a_hanging_one():
    threads, started, never = ReadThreads(1, spare=1), threading.Event(), threading.Event()
    hanging = asyncio.create_task(threads.run(lambda: started.set() or never.wait()))
    waiting = asyncio.create_task(threads.run(lambda: "done"))
    await asyncio.to_thread(started.wait)
    hanging.cancel()
    async with asyncio.timeout(30):
        assert await waiting == "done"
    never.set()
    threads.close()


async def test_without_a_spare_the_next_waits_until_the_hanging_one_returns():
    threads, started, later = ReadThreads(1, spare=0), threading.Event(), threading.Event()
    hanging = asyncio.create_task(threads.run(lambda: started.set() or later.wait()))
    waiting = asyncio.create_task(threads.run(lambda: "done"))
    await asyncio.to_thread(started.wait)
    hanging.cancel()
    done, _ = await asyncio.wait([waiting], timeout=0.05)
    assert not done
    later.set()
    async with asyncio.timeout(30):
        assert await waiting == "done"
    threads.close()
    threads.close()
    with pytest.raises(RuntimeError):
        await threads.run(int)


async def test_a_read_that_is_over_when_it_is_given_up_makes_no_room_for_another_thread():
    threads, started, later, names = ReadThreads(1, spare=1), threading.Event(), threading.Event(), set()

    def note():
        names.add(threading.current_thread())

    def hold():
        note()
        started.set()
        later.wait()

    over, held = (asyncio.create_task(threads.run(function)) for function in (note, hold))
    await asyncio.sleep(0)
    assert started.wait(30)  # so the first is over, and this loop has not heard of it
    over.cancel()
    last = asyncio.create_task(threads.run(note))
    await asyncio.wait([over])
    later.set()
    await asyncio.gather(held, last)
    assert over.cancelled()
    assert len(names) == 1
    threads.close()


async def test_errors_come_back_and_many_calls_share_few_threads():
    threads, names = ReadThreads(3, spare=0), set()

    def count(number):
        names.add(threading.current_thread())
        if number % 10 == 3:
            raise SourceError(str(number))
        return number

    found = await asyncio.gather(*(threads.run(count, n) for n in range(300)), return_exceptions=True)
    assert [str(n) if n % 10 == 3 else n for n in range(300)] == [
        each.what if isinstance(each, SourceError) else each for each in found
    ]
    assert len(names) <= 3
    threads.close()


async def test_with_patience_quick_calls_are_all_done_by_one_thread():
    threads = ReadThreads(4, spare=0, patience_s=60)
    names = await asyncio.gather(*(threads.run(threading.current_thread) for _ in range(200)))
    assert len(set(names)) == 1
    threads.close()


async def test_who_waits_for_longer_gets_another_thread_which_ends_when_nobody_waits_any_more():
    threads, later = ReadThreads(2, spare=0, patience_s=0.001), threading.Event()

    def hold():
        later.wait()
        return threading.current_thread()

    held = asyncio.create_task(threads.run(hold))
    async with asyncio.timeout(30):
        others = await asyncio.gather(*(threads.run(threading.current_thread) for _ in range(3)))
    await asyncio.to_thread(others[0].join, 30)
    assert not others[0].is_alive()
    assert not held.done()
    later.set()
    first = await held
    assert first not in others
    assert await threads.run(threading.current_thread) is first
    threads.close()


async def test_those_who_wait_behind_slow_calls_get_as_many_threads_as_there_may_be():
    threads, together = ReadThreads(4, spare=0, patience_s=0.001), threading.Barrier(4, timeout=30)
    await asyncio.gather(*(threads.run(together.wait) for _ in range(4)))
    threads.close()


def test_a_read_that_hangs_does_not_keep_the_process_from_ending(pipe):
    code = (
        "import asyncio, sys\n"
        "from boss_ingest.plugins.files import Folder\n"
        "async def main():\n"
        "  try:\n"
        "    async with asyncio.timeout(0.2): await Folder('/').read(sys.argv[1], most_bytes=1)\n"
        "  except TimeoutError: print('gave up')\n"
        "asyncio.run(main())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(pipe)], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == "gave up\n"
