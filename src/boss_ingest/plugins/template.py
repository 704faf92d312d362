"""Filename templates: `<>`, `<o:200>`, `<p:4>`, `<o:200p:4>` for the z index, `<z>` `<y>` `<x>` as they are.

`o` is added to the index, then zeros fill it up to `p` digits. `<y:p:3>`, `<x:o:1p:2>` do the same for the
other axes, which the original cannot. Anything else in angle brackets is no placeholder and stays
(docs/protocol.md, "Plugins"); so does an `o` of more than nine digits or a `p` of more than three, for no
file has such a name.
"""

from __future__ import annotations

import re

_NUMBER = re.compile(r"<(?:([xyz]):(?=[op]:))?(?:o:(\d{1,9}))?(?:p:(\d{1,3}))?>")
_PLAIN = re.compile(r"<([xyz])>")


def fill(template: str, *, x: int, y: int, z: int) -> str:
    """The file name for one tile, slice or image."""
    indices = {"x": x, "y": y, "z": z, None: z}

    def number(match: re.Match[str]) -> str:
        return str(indices[match[1]] + int(match[2] or 0)).zfill(int(match[3] or 0))

    return _PLAIN.sub(lambda match: str(indices[match[1]]), _NUMBER.sub(number, template))


def fixed_folder(template: str) -> str:
    """The folders at its beginning that are the same for all indices; "" when there are none."""
    first = min(
        (found.start() for kind in (_NUMBER, _PLAIN) if (found := kind.search(template))),
        default=len(template),
    )
    return template[: template.rfind("/", 0, first) + 1]
