"""Plugins as a lab wrote them for the original client; tests copy this file to where plugins are found."""

import io

import numpy as np
from ingestclient.plugins import chunk
from ingestclient.plugins.path import PathProcessor
from ingestclient.plugins.tile import TileProcessor
from PIL import Image


class ByTime(PathProcessor):
    """The image of one slice at one time."""

    def setup(self, parameters):
        self.parameters = parameters

    def process(self, x_index, y_index, z_index, t_index=None):
        return f"{self.parameters['folder']}/t{t_index}_z{z_index}.png"


class Cutter(TileProcessor):
    """Cuts a tile out of the image of its slice."""

    def setup(self, parameters):
        self.size = parameters["ingest_job"]["tile_size"]

    def process(self, file_path, x_index, y_index, z_index, t_index=0):
        image = Image.open(file_path)
        left, top = x_index * self.size["x"], y_index * self.size["y"]
        box = left, top, min(left + self.size["x"], image.width), min(top + self.size["y"], image.height)
        body = io.BytesIO()
        image.crop(box).save(body, "TIFF")
        return body


class OneFile(PathProcessor):
    """The same file for every chunk."""

    def setup(self, parameters):
        self.parameters = parameters

    def process(self, x_index, y_index, z_index, t_index=None):
        return self.parameters["file"]


class Chunks(chunk.ChunkProcessor):
    """A chunk of a numpy file, its axes in the order that the params name."""

    def setup(self, parameters):
        self.size = parameters["ingest_job"]["chunk_size"]
        self.order = parameters["order"]

    def process(self, file_path, x_index, y_index, z_index):
        index = {"x": x_index, "y": y_index, "z": z_index}
        low = {axis: index[axis] * self.size[axis] for axis in "zyx"}
        box = tuple(slice(low[axis], low[axis] + self.size[axis]) for axis in "zyx")
        part = np.load(file_path, mmap_mode="r")[box]
        if "T" in self.order:
            part = part[np.newaxis]
        if self.order.startswith("X"):
            part = part.T
        return part, getattr(chunk, f"{self.order}_ORDER")
