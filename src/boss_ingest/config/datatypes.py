"""The datatypes that a channel can have (docs/protocol.md, "Resources")."""

from __future__ import annotations

ITEMSIZE_BYTES = {"uint8": 1, "uint16": 2, "uint64": 8}
"""By the Boss's name of the datatype, which is numpy's too: the width of a voxel."""
