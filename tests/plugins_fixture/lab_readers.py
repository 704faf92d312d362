"""An asynchronous reader as a user may write one. Tests put this folder on sys.path."""

import numpy as np

from boss_ingest.plugins.reader import SourceInfo, TileReader


class GradientReader(TileReader):
    async def open(self, setup):
        self.size = setup.ingest_job["tile_size"]

    async def read(self, index):
        return np.full((self.size["y"], self.size["x"]), index.z, np.uint8)

    async def describe(self):
        return SourceInfo("uint8", None, "made up")

    async def close(self):
        pass

    def locate(self, index):
        return f"slice {index.z}"
