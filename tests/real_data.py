"""Real electron microscopy, where it lies beside the checkout: its licence keeps it out of the project."""

from pathlib import Path

import pytest

VNC_STACK = Path(__file__).parents[2] / "shared" / "data" / "vnc-stack2"
"""20 sections of 1024 × 1024, 8-bit TIFF, 00.tif to 19.tif."""

needs_vnc_stack = pytest.mark.skipif(
    not VNC_STACK.is_dir(), reason=f"the real sections do not lie beside this checkout, in {VNC_STACK}"
)
