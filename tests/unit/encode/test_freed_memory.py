"""What a task frees is there for the next one, without the kernel having to clear pages again."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

PROGRAM = """
import resource
from boss_ingest.encode.freed_memory import keep_freed_memory
import numpy as np
{keep}
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
np.ones(8 << 20, np.uint8)
before = faults()
for _ in range(20):
    np.ones(8 << 20, np.uint8)
print(faults() - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc can be told to keep it")
def test_memory_that_was_freed_is_not_asked_of_the_kernel_again() -> None:
    def page_faults(keep: str) -> int:
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM.format(keep=keep)], capture_output=True, check=True
        )
        return int(done.stdout)

    assert page_faults("keep_freed_memory()") < page_faults("") / 4
