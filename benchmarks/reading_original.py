"""One run of the published original's plugins, in its own interpreter; imports nothing of ours.

python reading_original.py WORK.json: the last line printed is what came of it, as JSON.
"""

import copy
import importlib
import json
import pathlib
import resource
import sys
import time

import numpy as np
from PIL import Image


def main(file):
    work = json.loads(pathlib.Path(file).read_text())
    path, processor = found(work["path"]), found(work["processor"])
    if work["volumetric"]:
        importlib.import_module("blosc")
    Image.init()
    before = read_bytes(), cpu_s(), time.perf_counter()
    job = work["ingest_job"]
    processor.setup({**copy.deepcopy(work["params"]), "ingest_job": copy.deepcopy(job)})
    path.setup({**copy.deepcopy(work["path_params"]), "ingest_job": copy.deepcopy(job)})
    uploaded = 0
    for index in work["indices"]:
        if work["volumetric"]:
            uploaded += cuboids(*processor.process(path.process(*index), *index[:3]))
        else:
            handle = processor.process(path.process(*index), *index)
            handle.seek(0)
            uploaded += len(handle.read())
    after = read_bytes(), cpu_s(), time.perf_counter()
    read, cpu, seconds = (late - early for early, late in zip(before, after, strict=True))
    print(json.dumps({"seconds": seconds, "cpu_s": cpu, "read": read, "uploaded": uploaded}))


def cuboids(chunk, order):
    """As the original's engine: C order, transposed, cut, blosc with its settings."""
    import blosc  # noqa: PLC0415 - only volumetric jobs have it

    assert order == 2, "this benchmark only knows XYZT"
    chunk, total = np.ascontiguousarray(chunk), 0
    for x in range(0, chunk.shape[0], 512):
        for y in range(0, chunk.shape[1], 512):
            for z in range(0, chunk.shape[2], 16):
                cuboid = np.ascontiguousarray(chunk[x : x + 512, y : y + 512, z : z + 16].transpose())
                total += len(blosc.compress(cuboid, typesize=cuboid.dtype.itemsize * 8))
    return total


def found(name):
    module, _, kind = name.rpartition(".")
    return getattr(importlib.import_module("ingestclient.plugins." + module), kind)()


def read_bytes():
    """Bytes this process got from read calls, of files and of all else."""
    lines = pathlib.Path("/proc/self/io").read_text().splitlines()
    return int(dict(line.split(": ") for line in lines)["rchar"])


def cpu_s():
    """Of this process and of children that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


if __name__ == "__main__":
    main(sys.argv[1])
