"""How much may be in work: in bytes, and in tasks that must end before their leases do."""

import pytest

from boss_ingest.engine.options import Options


def test_the_reader_s_cache_and_the_tasks_share_the_memory() -> None:
    options = Options(memory_bytes=1000)
    assert options.cache_bytes + options.task_bytes == 1000


@pytest.mark.parametrize("workers", [1, 2, 16, 64])
def test_tasks_that_wait_for_a_worker_get_it_before_their_lease_ends(workers: int) -> None:
    options = Options(workers=workers, concurrency=256)
    slow_read_s = 10.0
    assert options.tasks_in_work(classic=True) / workers * slow_read_s <= options.lease_s
    assert options.tasks_in_work(classic=False) >= options.concurrency


@pytest.mark.parametrize("processes", [1, 2, 3, 5])
def test_the_processes_of_one_client_share_what_it_may_take(processes: int) -> None:
    options = Options(concurrency=64, memory_bytes=1000, workers=7, processes=processes)
    shares = [options.share(number) for number in range(processes)]
    assert sum(share.concurrency for share in shares) == 64
    assert sum(share.workers for share in shares) == 7
    assert sum(share.memory_bytes for share in shares) <= 1000
    assert {share.processes for share in shares} == {1}


def test_a_process_too_many_still_has_a_put_and_a_worker() -> None:
    share = Options(concurrency=2, workers=1, memory_bytes=1, processes=4).share(3)
    assert (share.concurrency, share.workers, share.memory_bytes) == (1, 1, 1)
