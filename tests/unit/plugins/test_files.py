"""Reading a file whole: only below the folder that the job file names, wherever links lead; to its end."""

import asyncio
import sys
from pathlib import Path

import pytest

from boss_ingest.errors import MissingSourceError, SourceError
from boss_ingest.plugins.files import Folder

OUTSIDE = "lies outside of root_dir"
MOST = {"most_bytes": 1 << 20}


@pytest.fixture
def root(tmp_path):
    """A folder beside one whose name begins like its own, each with a file."""
    for name in ("root", "root2"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.png").write_bytes(name.encode())
    return tmp_path / "root"


async def test_what_lies_below_the_root_is_read_through_links_too(root):
    (root / "deep").mkdir()
    (root / "deep" / "b.png").symlink_to(root / "a.png")
    (root / "more").symlink_to(root / "deep")
    (root.parent / "other").symlink_to(root)
    for path in (root / "a.png", root / "deep/b.png", root / "more/b.png"):
        assert await Folder(str(root)).read(str(path), **MOST) == b"root"
    assert (
        await Folder(str(root.parent / "other")).read(str(root.parent / "other/more/b.png"), **MOST)
        == b"root"
    )


@pytest.mark.parametrize("link", ["link.png", "folder/a.png", "gone.png", "../root2/a.png"])
async def test_what_lies_outside_is_refused_whether_it_is_there_or_not(root, link):
    (root / "link.png").symlink_to(root.parent / "root2" / "a.png")
    (root / "folder").symlink_to(root.parent / "root2")
    (root / "gone.png").symlink_to(root.parent / "root2" / "never.png")
    folder = Folder(str(root))
    assert await folder.read(str(root / "a.png"), **MOST) == b"root"
    with pytest.raises(SourceError, match=OUTSIDE):
        await folder.read(str(root / link), **MOST)
    allowed = Folder(str(root), allow_outside=True)
    if link == "gone.png":
        with pytest.raises(MissingSourceError):
            await allowed.read(str(root / link), **MOST)
    else:
        assert await allowed.read(str(root / link), **MOST) == b"root2"


async def test_a_root_that_is_a_link_may_be_led_elsewhere_during_a_job(root):
    moving = root.parent / "moving"
    moving.symlink_to(root)
    folder = Folder(str(moving))
    assert await folder.read(str(moving / "a.png"), **MOST) == b"root"
    moving.unlink()
    moving.symlink_to(root.parent / "root2")
    assert await folder.read(str(moving / "a.png"), **MOST) == b"root2"


async def test_a_file_is_read_to_its_end_and_no_more_than_it_may_have(root):
    for size_bytes in (0, 1, 9, 10):
        (root / "b.png").write_bytes(bytes(size_bytes))
        assert await Folder(str(root)).read(str(root / "b.png"), most_bytes=10) == bytes(size_bytes)
    (root / "b.png").write_bytes(bytes(11))
    with pytest.raises(SourceError, match="more than 10 bytes"):
        await Folder(str(root)).read(str(root / "b.png"), most_bytes=10)


@pytest.mark.skipif(sys.platform != "linux", reason="files that say that they have no bytes, and have some")
def test_a_file_whose_size_is_not_told_is_read_to_its_end():
    maps = Path("/proc/self/maps")
    assert maps.stat().st_size == 0
    body = asyncio.run(Folder("/proc").read(str(maps), **MOST))
    assert body.endswith(b"\n")
    assert len(body) > 4096
    with pytest.raises(SourceError, match="more than 100 bytes"):
        asyncio.run(Folder("/proc").read(str(maps), most_bytes=100))
