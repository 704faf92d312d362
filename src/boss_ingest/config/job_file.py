"""The job file as typed, frozen models: schemas `boss-v0.1-schema` and `boss-v0.2-schema`.

These models know only what is there and of which type. What must be true of the values stands in
`rules.py`; reading a file, and telling people all that is wrong with it, in `loading.py`.
The facts come from docs/protocol.md, "Job file".
"""

from __future__ import annotations

import copy
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    PrivateAttr,
    Strict,
    model_validator,
)

from boss_ingest.config.extent import Extent, Span

IngestType = Literal["tile", "volumetric"]

_Integer = Annotated[int, Strict()]
_Text = Annotated[str, Strict()]
_Pair = tuple[_Integer, _Integer]


class Section(BaseModel):
    """An object of the job file. Keys that no schema knows are allowed, and kept."""

    model_config = ConfigDict(frozen=True, extra="allow")


class SchemaRef(Section):
    """`schema`: which of the two schemas the file follows."""

    name: Literal["boss-v0.1-schema", "boss-v0.2-schema"]
    validator: Literal["BossValidatorV01", "BossValidatorV02"]


class Backend(Section):
    """`client.backend`: where the Boss is. `host` may carry a port."""

    name: _Text
    class_name: Literal["BossBackend"] = Field(alias="class")
    host: _Text
    protocol: Literal["http", "https"]

    @property
    def base_url(self) -> str:
        """Such as `https://api.bossdb.io`, without a version."""
        return f"{self.protocol}://{self.host}"


class PluginRef(Section):
    """A processor: the dotted name of its class, verbatim, and the parameters it is set up with."""

    class_name: _Text = Field(alias="class", min_length=1)
    params: dict[str, Any] = Field(repr=False)  # may hold tokens of other services


class Client(Section):
    """`client`: the Boss to talk to, and the plugins that read the source."""

    backend: Backend
    path_processor: PluginRef | None = None
    tile_processor: PluginRef | None = None
    chunk_processor: PluginRef | None = None


class Database(Section):
    """`database`: the channel the voxels go to."""

    collection: _Text
    experiment: _Text
    channel: _Text


class ExtentSpans(Section):
    """`ingest_job.extent`: `[start, stop)` on each axis, in voxels; t in time samples."""

    x: _Pair
    y: _Pair
    z: _Pair
    t: _Pair


class TileSize(Section):
    """`ingest_job.tile_size` in pixels; z and t are 1."""

    x: _Integer
    y: _Integer
    z: _Integer
    t: _Integer


class ChunkSize(Section):
    """`ingest_job.chunk_size` in voxels."""

    x: _Integer
    y: _Integer
    z: _Integer


class IngestJob(Section):
    """`ingest_job`: which voxels, in pieces of which size."""

    ingest_type: IngestType = "tile"
    resolution: _Integer
    spans: ExtentSpans = Field(alias="extent")
    tile_size: TileSize | None = None
    chunk_size: ChunkSize | None = None

    _raw: dict[str, Any] = PrivateAttr(default_factory=dict)

    @model_validator(mode="wrap")
    @classmethod
    def _keep_raw(cls, data: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        job = handler(data)
        if isinstance(data, dict):
            job._raw = data
        return job

    @property
    def raw(self) -> dict[str, Any]:
        """The JSON object as written, a copy: what classic plugins get as `parameters["ingest_job"]`."""
        return copy.deepcopy(self._raw)

    @cached_property
    def extent(self) -> Extent:
        """The voxels of the job."""
        return Extent(*(Span(*pair) for pair in (self.spans.x, self.spans.y, self.spans.z, self.spans.t)))

    @property
    def task_count(self) -> int:
        """How many messages the upload queue is filled with: tiles or chunks, edges counted whole."""
        extent = self.extent
        if self.ingest_type == "tile":
            assert self.tile_size is not None
            size_zyx = 1, self.tile_size.y, self.tile_size.x
        else:
            assert self.chunk_size is not None
            size_zyx = self.chunk_size.z, self.chunk_size.y, self.chunk_size.x
        count = extent.t.size
        for voxels, size in zip(extent.shape_zyx, size_zyx, strict=True):
            count *= -(-voxels // size)
        return count

    @property
    def cuboid_count(self) -> int:
        """How many cuboids of the Boss the extent touches."""
        return self.extent.cuboid_count


class JobFile(Section):
    """One job file, checked. The shorthands leave out the levels that only the JSON needs."""

    declared: SchemaRef = Field(alias="schema")
    client: Client
    database: Database
    ingest_job: IngestJob

    _source: Path = PrivateAttr(default=Path("job.json"))

    @classmethod
    def read(cls, data: dict[str, Any], *, source: Path) -> Self:
        """From the JSON object of the file `source`. Raises pydantic's ValidationError."""
        job = cls.model_validate(data)
        job._source = source
        return job

    @property
    def source(self) -> Path:
        """The file it was read from."""
        return self._source

    @property
    def schema_name(self) -> str:
        """`boss-v0.1-schema` or `boss-v0.2-schema`."""
        return self.declared.name

    @property
    def backend(self) -> Backend:
        """Where the Boss is."""
        return self.client.backend

    @property
    def path_processor(self) -> PluginRef | None:
        """The path processor; an async reader needs none."""
        return self.client.path_processor

    @property
    def tile_processor(self) -> PluginRef | None:
        """The tile processor, used by tile jobs."""
        return self.client.tile_processor

    @property
    def chunk_processor(self) -> PluginRef | None:
        """The chunk processor, used by volumetric jobs."""
        return self.client.chunk_processor

    @property
    def processor(self) -> PluginRef:
        """The tile or the chunk processor, whichever this ingest type uses."""
        processor = self.tile_processor if self.ingest_job.ingest_type == "tile" else self.chunk_processor
        assert processor is not None
        return processor
