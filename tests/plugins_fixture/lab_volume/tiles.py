"""Tile processors."""

import time
from io import BytesIO

import numpy as np
from ingestclient.plugins.tile import TileProcessor
from PIL import Image


class RawSlice(TileProcessor):
    """Cuts a tile out of a raw slice of 8 bits."""

    def setup(self, parameters):
        self.parameters = parameters
        self.size = parameters["ingest_job"]["tile_size"]

    def process(self, file_path, x_index, y_index, z_index, t_index=0):
        return self.encoded(np.fromfile(file_path, np.uint8), x_index, y_index)

    def encoded(self, voxels, x_index, y_index, into=None):
        """The tile of a slice as PNG; short at the edges."""
        rows, columns = self.size["y"], self.size["x"]
        image = voxels.reshape(-1, self.parameters["columns"])
        tile = image[y_index * rows :, x_index * columns :][:rows, :columns]
        into = into or BytesIO()
        Image.fromarray(np.ascontiguousarray(tile)).save(into, "PNG")
        return into


class KeepsHandles(RawSlice):
    """Keeps each slice's file open, and writes all its tiles into one and the same buffer."""

    def setup(self, parameters):
        RawSlice.setup(self, parameters)
        self.files = {}
        self.output = BytesIO()

    def process(self, file_path, x_index, y_index, z_index, t_index=0):
        if file_path not in self.files:
            self.files[file_path] = open(file_path, "rb")  # noqa: PTH123, SIM115 - as labs write it
        file = self.files[file_path]
        file.seek(0)
        self.output.seek(0)
        self.output.truncate()
        return self.encoded(np.frombuffer(file.read(), np.uint8), x_index, y_index, into=self.output)


class PopsJob(RawSlice):
    """Takes ingest_job out of its parameters."""

    def setup(self, parameters):
        self.size = parameters.pop("ingest_job")["tile_size"]
        self.parameters = parameters


class Slow(RawSlice):
    """Takes its time."""

    def process(self, file_path, x_index, y_index, z_index, t_index=0):
        time.sleep(self.parameters["seconds"])
        return RawSlice.process(self, file_path, x_index, y_index, z_index, t_index)


class FailsSometimes(RawSlice):
    """Cannot do the right half of every fourth slice."""

    def process(self, file_path, x_index, y_index, z_index, t_index=0):
        if x_index == 1 and z_index % 4 == 1:
            raise ValueError(f"bad section {z_index}")
        return RawSlice.process(self, file_path, x_index, y_index, z_index, t_index)
