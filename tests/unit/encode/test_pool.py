"""Worker processes that hang, die, chatter or cannot start, and the pool that outlives them."""

import asyncio
import logging
import os
import select
import signal
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from boss_ingest.encode.pool import WorkerPool
from boss_ingest.errors import PluginError, SourceError
from tests.unit.encode import pool_tasks as tasks

pytestmark = pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="watches processes with Linux means")


async def gone(pid):
    """Wait until this process has ended, whosever child it is."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        ended, _, _ = await asyncio.to_thread(select.select, [handle], [], [], 20)
    finally:
        os.close(handle)
    assert ended, f"process {pid} lives on"


def channel(path):
    """A file that a worker writes one thing to, for `told`."""
    os.mkfifo(path)
    return str(path)


async def told(path):
    """What the worker wrote, once it has."""
    async with asyncio.timeout(30):
        return int(await asyncio.to_thread(Path(path).read_text))


async def test_calls_run_side_by_side_in_processes_of_their_own():
    async with WorkerPool(2, timeout_s=30) as pool:
        pids = await asyncio.gather(*(pool.call(tasks.pid) for _ in range(6)))
    assert os.getpid() not in pids
    assert len(set(pids)) <= 2


async def test_each_worker_is_initialised_once():
    async with WorkerPool(1, initializer=tasks.start, initargs=("volume",), timeout_s=30) as pool:
        assert [await pool.call(tasks.started) for _ in range(3)] == [["volume"]] * 3


@pytest.mark.parametrize("size", [0, 10, 32 * 1024, 5_000_000])
async def test_bytes_and_arrays_travel_unchanged_both_ways(size):
    body = os.urandom(size)
    value = {"body": body, "again": [body, (b"x", body)], "n": 7}
    array = np.frombuffer(body, np.uint8).reshape(-1, 1)
    async with WorkerPool(1, timeout_s=30) as pool:
        assert await pool.call(tasks.echo, value) == value
        back = await pool.call(tasks.echo, array)
    assert (back == array).all()
    assert back.shape == array.shape


async def test_an_array_that_is_not_contiguous_travels_too():
    array = np.arange(300_000).reshape(300, 1000)[::2, ::3]
    async with WorkerPool(1, timeout_s=30) as pool:
        assert (await pool.call(tasks.echo, array) == array).all()


async def test_what_the_function_raises_is_raised_with_the_workers_traceback():
    async with WorkerPool(1, timeout_s=30) as pool:
        with pytest.raises(SourceError) as caught:
            await pool.call(tasks.raise_source_error)
        assert caught.value.what == "slices/7.png is empty"
        assert caught.value.hint == "export it again"
        assert "raise_source_error" in "".join(caught.value.__notes__)
        assert await pool.call(tasks.echo, 1) == 1


@pytest.mark.parametrize(
    ("function", "says"),
    [
        (tasks.raise_awkward, "salt and pepper"),
        (tasks.raise_system_exit, "enough"),
        (tasks.return_unpicklable, "local object"),
    ],
)
async def test_what_cannot_travel_is_told_and_the_worker_lives_on(function, says):
    async with WorkerPool(1, timeout_s=30) as pool:
        pid = await pool.call(tasks.pid)
        with pytest.raises(Exception, match=says):
            await pool.call(function)
        assert await pool.call(tasks.pid) == pid


async def test_arguments_that_cannot_travel_harm_no_worker():
    async with WorkerPool(1, timeout_s=30) as pool:
        pid = await pool.call(tasks.pid)
        with pytest.raises(Exception, match="pickle"):
            await pool.call(tasks.echo, threading.Lock())
        assert await pool.call(tasks.pid) == pid


@pytest.mark.parametrize(
    ("function", "args", "says"),
    [(tasks.die, (3,), "exit code 3"), (tasks.kill_self, (), "SIGKILL"), (tasks.crash, (), "SIGSEGV")],
)
async def test_a_worker_that_dies_fails_its_task_only_and_is_replaced(function, args, says):
    async with WorkerPool(2, initializer=tasks.start, initargs=(1,), timeout_s=30) as pool:
        results = await asyncio.gather(
            pool.call(function, *args), *(pool.call(tasks.echo, n) for n in range(5)), return_exceptions=True
        )
        assert isinstance(results[0], PluginError)
        assert says in str(results[0])
        assert results[1:] == [0, 1, 2, 3, 4]
        assert await asyncio.gather(*(pool.call(tasks.started) for _ in range(4))) == [[1]] * 4


async def test_the_last_words_of_a_crashed_worker_are_in_the_error():
    async with WorkerPool(1, timeout_s=30) as pool:
        with pytest.raises(PluginError, match=r"Segmentation fault[\s\S]*in crash"):
            await pool.call(tasks.crash)


async def test_a_worker_killed_while_idle_costs_no_task():
    async with WorkerPool(1, timeout_s=30) as pool:
        pid = await pool.call(tasks.pid)
        os.kill(pid, signal.SIGKILL)
        await gone(pid)
        assert await pool.call(tasks.pid) != pid


async def test_a_call_that_overruns_is_ended_and_its_worker_replaced():
    async with WorkerPool(1, timeout_s=30) as pool:
        pid = await pool.call(tasks.pid)
        with pytest.raises(PluginError, match=r"hang for more than 0\.3 s"):
            await pool.call(tasks.hang, timeout_s=0.3)
        assert await pool.call(tasks.echo, 1) == 1
        await gone(pid)


async def test_what_a_hung_plugin_started_ends_with_it(tmp_path):
    async with WorkerPool(1, timeout_s=30) as pool:
        call = asyncio.create_task(pool.call(tasks.hang_in_a_child, channel(tmp_path / "pid")))
        grandchild = await told(tmp_path / "pid")
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await gone(grandchild)


async def test_a_cancelled_call_leaves_the_pool_sound(tmp_path):
    async with WorkerPool(1, timeout_s=30) as pool:
        call = asyncio.create_task(pool.call(tasks.hang, channel(tmp_path / "pid")))
        pid = await told(tmp_path / "pid")
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await gone(pid)
        assert await pool.call(tasks.echo, 1) == 1


async def test_calls_cancelled_at_any_moment_leave_the_pool_sound():
    async with WorkerPool(2, timeout_s=30) as pool:
        for turns in range(12):
            calls = [asyncio.create_task(pool.call(tasks.echo, n)) for n in range(3)]
            for _ in range(turns):
                await asyncio.sleep(0)
            for call in calls:
                call.cancel()
            await asyncio.gather(*calls, return_exceptions=True)
        assert await asyncio.gather(*(pool.call(tasks.echo, n) for n in range(4))) == [0, 1, 2, 3]


async def test_an_initializer_that_fails_is_told_to_every_caller_without_starting_again(caplog):
    async with WorkerPool(1, initializer=tasks.start_badly, timeout_s=30) as pool:
        for _ in range(50):
            with pytest.raises(ValueError, match="no such volume"):
                await pool.call(tasks.pid)


async def test_an_initializer_that_dies_is_told():
    async with WorkerPool(1, initializer=tasks.start_and_die, timeout_s=30) as pool:
        with pytest.raises(PluginError, match="exit code 3"):
            await pool.call(tasks.pid)


async def test_what_plugins_print_becomes_log_lines(caplog, capfd):
    with caplog.at_level(logging.INFO, "boss_ingest.worker"):
        async with WorkerPool(1, timeout_s=30) as pool:
            assert await pool.call(tasks.chatter) == "quiet"
            assert await pool.call(tasks.read_stdin) == ""
    for words in ("printed", "written to 1", "complained"):
        assert words in caplog.text
    assert capfd.readouterr() == ("", "")


async def test_workers_ignore_what_the_parent_decides_on():
    async with WorkerPool(1, timeout_s=30) as pool:
        assert await pool.call(tasks.signals_ignored) == [True, True]
        pid = await pool.call(tasks.pid)
        assert os.getpgid(pid) != os.getpgid(0)  # the terminal's Ctrl-C does not even reach it


async def test_a_worker_imports_only_what_it_needs():
    async with WorkerPool(1, timeout_s=30) as pool:
        loaded = set(await pool.call(tasks.modules))
    assert not loaded & {"botocore", "aiobotocore", "aiohttp", "numpy", "PIL", "pydantic", "click", "asyncio"}


async def test_the_event_loop_runs_on_while_large_replies_come_in():
    async with WorkerPool(1, timeout_s=30) as pool:
        await pool.call(tasks.echo, b"")
        body = bytes(16 << 20)
        reply = asyncio.create_task(pool.call(tasks.echo, body))
        turns = 0
        while not reply.done():
            await asyncio.sleep(0)
            turns += 1
        assert await reply == body
    assert turns > 20


async def test_closing_ends_every_worker():
    async with WorkerPool(2, timeout_s=30) as pool:
        pids = set(await asyncio.gather(*(pool.call(tasks.pid) for _ in range(8))))
    for pid in pids:
        await gone(pid)
    with pytest.raises(PluginError, match="closed"):
        await pool.call(tasks.pid)


PARENT = """
import asyncio, sys
from boss_ingest.encode.pool import WorkerPool
from tests.unit.encode import pool_tasks as tasks

async def main():
    async with WorkerPool(2, timeout_s=600) as pool:
        await asyncio.gather(pool.call(tasks.hang, sys.argv[1]), pool.call(tasks.hang, sys.argv[2]))

asyncio.run(main())
"""


async def test_workers_end_when_the_parent_is_killed_even_in_the_middle_of_a_call(tmp_path):
    files = [channel(tmp_path / "one"), channel(tmp_path / "two")]
    root = Path(__file__).parents[3]
    parent = await asyncio.create_subprocess_exec(sys.executable, "-c", PARENT, *files, cwd=root)
    pids = [await told(file) for file in files]
    parent.kill()
    await parent.wait()
    for pid in pids:
        await gone(pid)


async def test_calls_still_running_when_the_pool_closes_are_told(tmp_path):
    async with WorkerPool(1, timeout_s=30) as pool:
        running = asyncio.create_task(pool.call(tasks.hang, channel(tmp_path / "pid")))
        waiting = asyncio.create_task(pool.call(tasks.pid))
        await told(tmp_path / "pid")
    for call in (running, waiting):
        with pytest.raises(PluginError, match=r"died|closed"):
            await call


def test_a_pool_of_no_workers_is_refused():
    with pytest.raises(ValueError, match="at least one"):
        WorkerPool(0, timeout_s=1)
