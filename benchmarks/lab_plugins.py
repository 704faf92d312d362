# ruff: noqa: ARG002 - the contract fixes the arguments
"""Classic plugins for boss-ingest 0.12.0, as a lab would write them, where it has none of its own.

Run by the Python of the original's environment, so nothing of ours is imported.
"""

import io

import numpy as np
from ingestclient.plugins.chunk import ZYX_ORDER, ChunkProcessor
from ingestclient.plugins.path import PathProcessor
from ingestclient.plugins.tile import TileProcessor
from PIL import Image


class CropFromSlice(TileProcessor):
    """Keeps the slice it opened last, cuts the tile out, and saves it as PNG."""

    def setup(self, parameters):
        self.size = parameters["ingest_job"]["tile_size"]
        self.path = None

    def process(self, file_path, x_index, y_index, z_index, t_index=0):
        if file_path != self.path:
            self.image, self.path = np.array(Image.open(file_path)), file_path
        x, y = x_index * self.size["x"], y_index * self.size["y"]
        output = io.BytesIO()
        Image.fromarray(self.image[y : y + self.size["y"], x : x + self.size["x"]]).save(output, "PNG")
        return output


class Nowhere(PathProcessor):
    """Names no file."""

    def setup(self, parameters):
        pass

    def process(self, x_index, y_index, z_index, t_index=None):
        return ""


class ChunkFromZarr(ChunkProcessor):
    """What the original's ZarrChunkProcessor does, on a local array."""

    def setup(self, parameters):
        import zarr  # noqa: PLC0415 - in the parity environment only

        self.size = parameters["ingest_job"]["chunk_size"]
        self.array = zarr.open(parameters["array"], mode="r")

    def process(self, file_path, x_index, y_index, z_index):
        at = [
            slice(n * self.size[axis], (n + 1) * self.size[axis])
            for n, axis in ((z_index, "z"), (y_index, "y"), (x_index, "x"))
        ]
        return self.array[tuple(at)], ZYX_ORDER
