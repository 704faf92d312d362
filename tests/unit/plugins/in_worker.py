"""What the tests of classic plugins run inside a worker process."""

from boss_ingest.plugins.classic import ClassicTiles

_tiles = []


def start(setup):
    for how in ("draw", "fail"):
        params = {**setup.params, "how": how}
        changed = type(setup)(setup.path_params, params, setup.ingest_job, setup.job_dir)
        _tiles.append(ClassicTiles("lab_plugins.LabPath", "lab_plugins.LabTiles", changed))


def read(index):
    return _tiles[0].read(index)


def read_badly(index):
    return _tiles[1].read(index)
