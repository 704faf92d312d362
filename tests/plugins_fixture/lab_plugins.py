"""Plugins as labs have them, written for the original client. Tests put this folder on sys.path."""

import io
from pathlib import Path

import numpy as np
from ingestclient.plugins.chunk import TZYX_ORDER, XYZ_ORDER, XYZT_ORDER, ZYX_ORDER, ChunkProcessor
from ingestclient.plugins.path import PathProcessor
from ingestclient.plugins.stack import ZindexStackPathProcessor
from ingestclient.plugins.tile import TileProcessor
from PIL import Image

LOG = []


class LabPath(PathProcessor):
    def __init__(self):
        PathProcessor.__init__(self)
        LOG.append(("made", "path", self.parameters))

    def setup(self, parameters):
        LOG.append(("setup", "path"))
        self.parameters = parameters
        self.root = parameters.pop("root")  # some do

    def process(self, x_index, y_index, z_index, t_index=None):
        return f"{self.root}/{z_index}_{y_index}_{x_index}_{t_index}.png"


class LabTiles(TileProcessor):
    def setup(self, parameters):
        LOG.append(("setup", "tile"))
        self.parameters = parameters
        parameters["ingest_job"]["extent"] = "scribbled over"
        self.handles = []

    def process(self, file_path, x_index, y_index, z_index, t_index=0):
        return getattr(self, self.parameters.get("how", "draw"))(file_path, z_index)

    def draw(self, path, z):
        image = io.BytesIO()
        Image.fromarray(np.full((4, 6), z, np.uint8)).save(image, "PNG")
        self.handles.append(image)
        return image  # at its end, not its start

    def open_file(self, path, z):
        return Path(path).open("rb")

    def open_text(self, path, z):
        return Path(__file__).open()

    def give_bytes(self, path, z):
        return b"bytes"

    def give_path(self, path, z):
        return __file__

    def give_none(self, path, z):
        return None

    def give_array(self, path, z):
        return np.zeros((4, 6))

    def give_the_same_again(self, path, z):
        if not self.handles:
            self.handles.append(io.BytesIO(b"once"))
        return self.handles[0]

    def fail(self, path, z):
        return {}["colour"]

    def leave(self, path, z):
        raise SystemExit("bye")


class SubclassedNames(ZindexStackPathProcessor):
    def process(self, x_index, y_index, z_index, t_index=None):
        return super().process(y_index, x_index, z_index, t_index)


class Duck:
    """Inherits from nothing."""

    def setup(self, parameters):
        self.parameters = parameters

    def process(self, *indices):
        return "duck.png"


class LabChunks(ChunkProcessor):
    VOLUME = np.arange(3 * 4 * 5, dtype=np.uint16).reshape(3, 4, 5)  # zyx

    def setup(self, parameters):
        self.how = parameters.get("how", "zyx")

    def process(self, file_path, x_index, y_index, z_index):
        zyx, xyz = self.VOLUME, self.VOLUME.transpose(2, 1, 0)
        return {
            "zyx": (zyx, ZYX_ORDER),
            "xyz": (xyz, XYZ_ORDER),
            "xyzt": (xyz[..., np.newaxis], XYZT_ORDER),
            "tzyx": (zyx[np.newaxis], TZYX_ORDER),
            "two channels": (np.stack([xyz, xyz], -1), XYZT_ORDER),
            "two samples": (np.stack([zyx, zyx]), TZYX_ORDER),
            "wrong axes": (zyx, TZYX_ORDER),
            "unknown order": (zyx, 7),
            "a list": ([[1]], ZYX_ORDER),
            "masked": (np.ma.masked_array(zyx), ZYX_ORDER),
            "only the array": zyx,
            "none": None,
        }[self.how]


class BadSetup(TileProcessor):
    def setup(self, parameters):
        self.token = parameters["token"]

    def process(self, file_path, x_index, y_index, z_index, t_index=0):
        return None


class Abstract(TileProcessor):
    def setup(self, parameters):
        pass


class NoProcess:
    def setup(self, parameters):
        pass


not_a_class = 7
