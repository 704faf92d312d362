"""Runs plugins of the published original over grids of indices, in its own interpreter; imports none of ours.

    python original.py CASES.json RESULTS.npz

CASES.json is a list of what tests/parity/case.py writes. RESULTS.npz holds the pixels of each result, as
`<case>/<index>`, and under `told`, as JSON, the path or the error: {"error": type, "text": ...}.
"""

import copy
import importlib
import io
import json
import pathlib
import sys
import time

import numpy as np
from PIL import Image

AXES = {0: (2, 1, 0), 1: (0, 1, 2), 2: (2, 1, 0), 3: (1, 2, 3)}  # where z, y and x are, by axis order


def main(cases_file, results_file):
    time.sleep = lambda seconds: None  # it waits 10 s between tries
    told, arrays = {}, {}
    cases = json.loads(pathlib.Path(cases_file).read_text())
    for number, case in enumerate(cases):
        try:
            pair = set_up(case)
        except Exception as error:  # noqa: BLE001 - whatever it is, is what came of it
            told.update({f"{number}/{at}": failed(error) for at in range(len(case["indices"]))})
            continue
        for at, index in enumerate(case["indices"]):
            key = f"{number}/{at}"
            try:
                path = pair[0].process(*index)
                arrays[key] = decoded(case, pair[1], path, index)
                told[key] = {"path": path}
            except Exception as error:  # noqa: BLE001 - the same
                told[key] = failed(error)
    np.savez(results_file, told=json.dumps(told), **arrays)


def set_up(case):
    """As the original's engine does it: the processor that reads, then the path processor."""
    processor, path = (found(case[key]) for key in ("processor", "path"))
    job = case["ingest_job"]
    processor.setup({**copy.deepcopy(case["params"]), "ingest_job": copy.deepcopy(job)})
    path.setup({**copy.deepcopy(case["path_params"]), "ingest_job": copy.deepcopy(job)})
    return path, processor


def found(name):
    module, _, kind = name.rpartition(".")
    return getattr(importlib.import_module("ingestclient.plugins." + module), kind)()


def decoded(case, processor, path, index):
    if "chunk_size" in case["ingest_job"]:
        array, order = processor.process(path, *index[:3])
        array = np.asarray(array)
        if order in (2, 3):
            assert array.shape[3 if order == 2 else 0] == 1, "more than one channel"
            array = array[..., 0] if order == 2 else array[0]
            order -= 2
        return array.transpose(2, 1, 0) if order == 0 else array
    handle = processor.process(path, *index)
    handle.seek(0)
    with Image.open(io.BytesIO(handle.read())) as image:
        return np.array(image)


def failed(error):
    return {"error": type(error).__name__, "text": str(error)[:300]}


if __name__ == "__main__":
    main(*sys.argv[1:])
