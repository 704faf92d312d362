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
