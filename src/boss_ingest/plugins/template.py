"""Filename templates: `<>`, `<o:200>`, `<p:4>`, `<o:200p:4>` for the z index, `<z>` `<y>` `<x>` as they are.

`o` is added to the index, then zeros fill it up to `p` digits. Anything else in angle brackets is no
placeholder and stays (docs/protocol.md, "Plugins").
"""

from __future__ import annotations

import re

_NUMBER = re.compile(r"<(?:o:(\d+))?(?:p:(\d+))?>")


def fill(template: str, *, x: int, y: int, z: int) -> str:
    """The file name for one tile."""
    named = _NUMBER.sub(lambda match: str(z + int(match[1] or 0)).zfill(int(match[2] or 0)), template)
    return named.replace("<z>", str(z)).replace("<y>", str(y)).replace("<x>", str(x))
