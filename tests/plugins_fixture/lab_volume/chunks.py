"""Chunk processors, one for each order of axes."""

import numpy as np
from ingestclient.plugins.chunk import TZYX_ORDER, XYZ_ORDER, XYZT_ORDER, ZYX_ORDER, ChunkProcessor


class Zyx(ChunkProcessor):
    """Keeps the volume's file open, and takes ingest_job out of its parameters."""

    def setup(self, parameters):
        self.size = parameters.pop("ingest_job")["chunk_size"]
        self.volume = None

    def process(self, file_path, x_index, y_index, z_index):
        return self.read(file_path, x_index, y_index, z_index), ZYX_ORDER

    def read(self, file_path, *index):
        """The chunk, axes zyx, clipped to the volume."""
        if self.volume is None:
            self.volume = np.load(file_path, mmap_mode="r")
        spans = [
            slice(i * self.size[axis], (i + 1) * self.size[axis])
            for axis, i in zip("xyz", index, strict=True)
        ]
        return self.volume[tuple(reversed(spans))]


class Xyz(Zyx):
    def process(self, file_path, x_index, y_index, z_index):
        return self.read(file_path, x_index, y_index, z_index).transpose(2, 1, 0), XYZ_ORDER


class Xyzt(Zyx):
    def process(self, file_path, x_index, y_index, z_index):
        return self.read(file_path, x_index, y_index, z_index).transpose(2, 1, 0)[..., None], XYZT_ORDER


class Tzyx(Zyx):
    """In the original, every chunk in this order was lost."""

    def process(self, file_path, x_index, y_index, z_index):
        return self.read(file_path, x_index, y_index, z_index)[None], TZYX_ORDER
