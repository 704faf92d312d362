"""Path processors."""

from ingestclient.plugins.path import PathProcessor


class SlicePath(PathProcessor):
    """One raw file a slice; takes ingest_job out of its parameters, as the original's own plugins do."""

    def __init__(self):
        PathProcessor.__init__(self)
        self.job = None

    def setup(self, parameters):
        self.job = parameters.pop("ingest_job")
        self.parameters = parameters

    def process(self, x_index, y_index, z_index, t_index=None):
        if z_index >= self.job["extent"]["z"][1]:
            raise IndexError("Z-index out of range")
        return self.parameters["root"] + f"/{z_index}.raw"


class VolumePath(PathProcessor):
    """The same file for every task."""

    def setup(self, parameters):
        self.parameters = parameters

    def process(self, x_index, y_index, z_index, t_index=None):
        return self.parameters["file"]
