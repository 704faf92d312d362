"""What the files of a stack are called: one name a slice, a tile, or an image of a grid."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Self

from boss_ingest.errors import SourceError
from boss_ingest.plugins.stack_params import StackPathParams
from boss_ingest.plugins.template import fill, fixed_folder

if TYPE_CHECKING:
    from collections.abc import Mapping


class StackNames:
    """Fills in a template below `root_dir`; looks at no disk."""

    def __init__(
        self, root_dir: str, template: str, ingest_job: Mapping[str, Any], *, allow_outside: bool
    ) -> None:
        self.root_dir = root_dir
        self.allow_outside = allow_outside
        self._template = template
        start, stop = ingest_job["extent"]["z"]
        self.extent_z = range(start, stop)

    @classmethod
    def of(cls, path_params: Mapping[str, Any], ingest_job: Mapping[str, Any]) -> Self:
        """As the path processor's params say. Raises ConfigError."""
        given = StackPathParams.read(path_params, section="client.path_processor")
        template = f"{given.base_filename}.{given.extension}"
        return cls(given.root_dir, template, ingest_job, allow_outside=given.allow_outside_root)

    @classmethod
    def from_pattern(cls, pattern: str, ingest_job: Mapping[str, Any], *, allow_outside: bool) -> Self:
        """As a path processor told them, whoever wrote it: the root is all before the first placeholder."""
        root_dir = fixed_folder(pattern)
        return cls(root_dir, pattern.removeprefix(root_dir), ingest_job, allow_outside=allow_outside)

    @property
    def pattern(self) -> str:
        """The path of every file, its placeholders not filled in."""
        return self._join(self._template)

    def path(self, x: int, y: int, z: int, t: int | None = 0) -> str:
        """The file of one tile. Raises IndexError for a slice or sample the job doesn't have."""
        if t != 0:
            raise IndexError(f"t is {t}, a stack has the one time sample 0")
        if z not in self.extent_z:
            span = [self.extent_z.start, self.extent_z.stop]
            raise IndexError(f"z is {z}, ingest_job.extent.z is {span}")
        return self._join(fill(self._template, x=x, y=y, z=z))

    def image(self, z: int, row: int, column: int) -> str:
        """The file of one image of a slice. Raises SourceError for a slice the job doesn't have."""
        try:
            return self.path(column, row, z)
        except IndexError as error:
            raise SourceError(f"{self.pattern} is not read: {error}") from error

    def _join(self, name: str) -> str:
        return os.path.join(self.root_dir, name)  # noqa: PTH118 - the very string the original client makes
