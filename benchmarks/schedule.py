"""Which client does how many tasks of which workload, at which delay: so many that a run takes some seconds.

For two quiet cores. The original gets fewer tasks, for rates are what is compared; `--scale` multiplies all.
"""

from __future__ import annotations

DELAYS_MS = (0, 10, 40)

Schedule = dict[str, dict[int, dict[str, int]]]

RUNS: Schedule = {
    "a": {
        0: {
            "ours": 3000, "original -p 1": 40, "original -p 2": 48, "original -p 8": 64, "bare loop": 3000,
            "ours, TLS": 1500, "bare loop, TLS": 1500, "ours, --processes 2": 3000,
            "obstore": 2000, "rclone": 2000, "s5cmd": 2000,
        },
        10: {"ours": 3000, "original -p 1": 40, "bare loop": 3000},
        40: {
            "ours": 3000, "original -p 1": 16, "original -p 8": 64, "bare loop": 3000,
            "obstore": 2000, "rclone": 2000, "s5cmd": 2000,
        },
    },
    "b": {
        0: {"ours": 768, "original -p 1": 32, "original -p 2": 48},
        40: {"ours": 768, "original -p 1": 16},
    },
    "c": {
        0: {"ours": 1200, "original -p 1": 16, "original -p 2": 24},
        40: {"ours": 1200, "original -p 1": 12},
    },
    "d": {
        0: {
            "ours": 96, "original -p 1": 10, "original -p 2": 16, "original -p 8": 24, "bare loop": 64,
            "obstore": 48, "s5cmd": 16, "blosc alone": 96,
        },
        40: {"ours": 96, "original -p 1": 4, "original -p 8": 16, "bare loop": 64},
    },
    "e": {
        0: {
            "ours": 72, "original -p 1": 6, "original -p 2": 10, "original -p 8": 16, "bare loop": 1000,
            "blosc alone": 48,
        },
        40: {"ours": 72, "original -p 1": 5, "original -p 8": 16},
    },
    "f": {
        0: {
            "ours": 5000, "original -p 1": 120, "original -p 8": 200, "bare loop": 6000, "aiobotocore": 2000,
            "obstore": 6000,
        },
        10: {"ours": 5000, "original -p 1": 60},
        40: {"ours": 5000, "original -p 1": 24, "bare loop": 6000},
    },
}  # fmt: skip

QUICK: Schedule = {
    "a": {
        0: {"ours": 600, "original -p 1": 16, "bare loop": 1000},
        40: {"ours": 600, "original -p 1": 8},
    },
    "b": {0: {"ours": 192, "original -p 1": 16}},
    "d": {0: {"ours": 32, "original -p 1": 4, "bare loop": 32}},
    "f": {0: {"ours": 2000, "original -p 1": 60, "bare loop": 3000, "aiobotocore": 800}},
}
"""Of `make bench-quick`."""

LEFT_OUT = (
    "b, c: nothing PUTs finished bytes, for they cost what (a)'s cost; what is compared is the encoding",
    "b: the original has no plugin that cuts slices into tiles: it runs one as a lab would write it",
    "d, e: the original's Zarr plugin opens s3:// and gs:// only: it runs one that opens a local array",
    "e: s5cmd, rclone and obstore: labels compress so well that few bytes are left to PUT",
)
