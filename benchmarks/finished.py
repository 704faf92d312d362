"""The bytes that a job ends up PUTting, for programs that do nothing but PUT."""

from __future__ import annotations

import os
from itertools import chain, cycle, islice
from pathlib import Path
from typing import Any

import tensorstore
from numpy.typing import NDArray

from benchmarks.workloads import Workload
from boss_ingest.encode.codec import codec_for
from boss_ingest.encode.cuboid import compress, cut

CHUNKS = 2
FILES = 32


def finished(workload: Workload, data: Path, folder: Path) -> Path:
    """Some tiles, or the cuboids of two chunks, each a file in `folder`."""
    folder.mkdir()
    if workload.unit == "chunk":
        for n, cuboid in enumerate(chain.from_iterable(cuboids(data))):
            codec = codec_for(workload.channel_type, itemsize_bytes=cuboid.itemsize)
            (folder / f"{n:06}").write_bytes(compress(cuboid, codec))
    else:
        for path in sorted(data.iterdir())[:FILES]:
            os.link(path, folder / path.name)
    return folder


def many(folder: Path, count: int) -> Path:
    """The same bytes under so many names, for programs that copy folders."""
    found = folder.with_name(f"{folder.name}-{count}")
    if not found.exists():
        found.mkdir()
        for n, path in enumerate(islice(cycle(sorted(folder.iterdir())), count)):
            os.link(path, found / f"{n:06}")
    return found


def cuboids(data: Path) -> list[list[NDArray[Any]]]:
    """Of the first chunks of a workload."""
    spec = {"driver": "zarr", "kvstore": {"driver": "file", "path": str(data / "em")}}
    array = tensorstore.open(spec).result()
    depth = array.chunk_layout.read_chunk.shape[0]
    chunks = (array[n * depth : (n + 1) * depth].read().result() for n in range(CHUNKS))
    return [
        [
            cut(chunk, (z, y, x))
            for z in range(0, chunk.shape[0], 16)
            for y in range(0, chunk.shape[1], 512)
            for x in range(0, chunk.shape[2], 512)
        ]
        for chunk in chunks
    ]
