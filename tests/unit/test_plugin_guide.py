"""The author's guide, docs/plugins.md: every example on the page runs."""

import re
import subprocess
import sys
from pathlib import Path

GUIDE = Path(__file__).parents[2] / "docs" / "plugins.md"


def test_every_example_of_the_guide_runs(tmp_path: Path) -> None:
    blocks = re.findall(
        r"```python\n# (\w+\.py)[^\n]*\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL
    )
    names = [name for name, _ in blocks]
    assert names == ["lab_volumes.py", "test_lab_volumes.py", "lab_tiles.py", "test_lab_tiles.py"]
    for name, code in blocks:
        (tmp_path / name).write_text(code, encoding="utf-8")
    (tmp_path / "conftest.py").write_text("from boss_ingest.plugins import compat\ncompat.install()\n")
    tests = [name for name in names if name.startswith("test_")]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:randomly", *tests]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 passed" in done.stdout
