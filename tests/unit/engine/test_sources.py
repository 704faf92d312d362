"""What readers may hand over: bytes and arrays; anything else is the reader's mistake and harms one task."""

import numpy as np
import pytest

from boss_ingest.boss.keys import ChunkKey, LookupIds
from boss_ingest.engine.sources import ChunkForm, ReaderChunks
from boss_ingest.engine.tasks import ChunkTask
from boss_ingest.errors import PluginError

TASK = ChunkTask(
    "key", ChunkKey(1, LookupIds(1, 2, 3), 0, 0, 0, 0, 0), (0, 0, 0), (16, 32, 32), (), outside=0
)


class Returning:
    def __init__(self, found: object) -> None:
        self.found = found

    def locate(self, box: object) -> str:
        return "volume.x"

    async def read(self, box: object) -> object:
        return self.found


def chunks(found: object) -> ReaderChunks:
    form = ChunkForm((16, 32, 32), "uint8", "image", pad=False)
    return ReaderChunks(Returning(found), form, None, timeout_s=10.0)


async def test_an_array_is_taken() -> None:
    chunk = await chunks(np.zeros((16, 32, 32), np.uint8)).read(TASK)
    assert not chunk.left_out


@pytest.mark.parametrize(
    "found", [None, b"bytes", [[1]], np.ma.masked_equal(np.zeros((16, 32, 32), np.uint8), 0)], ids=type
)
async def test_what_is_no_plain_array_is_refused_by_name(found: object) -> None:
    with pytest.raises(PluginError, match=r"volume\.x.*returned a"):
        await chunks(found).read(TASK)
