"""Arrays whose memory is used again: never while any view of them lives."""

from __future__ import annotations

import numpy as np

from boss_ingest.plugins.slabs import Slabs

MIB = 1 << 20


def test_memory_is_used_again_when_the_array_is_gone() -> None:
    slabs = Slabs(keep_bytes=8 * MIB)
    first = slabs.empty((4, 1024, 1024), "uint8")
    address = first.ctypes.data
    del first
    second = slabs.empty((2, 1024, 1024), np.uint16)
    assert (second.ctypes.data, second.shape, second.dtype) == (address, (2, 1024, 1024), np.uint16)
    assert second.flags.c_contiguous
    assert second.flags.writeable


def test_a_view_of_a_view_keeps_it_from_being_lent_again() -> None:
    slabs = Slabs(keep_bytes=8 * MIB)
    lent = slabs.empty((4, 1024, 1024), "uint8")
    lent[:] = 7
    view = lent.reshape(-1)[MIB:].view("<u2")[::2].view()
    del lent
    other = slabs.empty((4, 1024, 1024), "uint8")
    other[:] = 9
    assert slabs.idle_bytes == 0
    assert (view == 0x0707).all()
    del view
    assert slabs.idle_bytes == 4 * MIB


def test_a_smaller_one_at_the_edge_of_a_volume_takes_a_part_of_a_larger() -> None:
    slabs = Slabs(keep_bytes=8 * MIB)
    whole = slabs.empty((4, 1024, 1024), "uint8")
    address = whole.ctypes.data
    del whole
    edge = slabs.empty((3, 1000, 1000), "uint8")
    assert edge.ctypes.data == address
    del edge
    assert slabs.idle_bytes == 4 * MIB


def test_no_more_lies_idle_than_may() -> None:
    slabs = Slabs(keep_bytes=5 * MIB)
    lent = [slabs.empty((2, 1024, 1024), "uint8") for _ in range(4)]
    lent.clear()
    assert slabs.idle_bytes == 4 * MIB
    slabs.close()
    assert slabs.idle_bytes == 0


def test_what_is_lent_stays_good_after_closing() -> None:
    slabs = Slabs(keep_bytes=8 * MIB)
    lent = slabs.empty((4, 1024, 1024), "uint8")
    slabs.close()
    lent[:] = 1
    assert lent.all()
    del lent
    assert slabs.idle_bytes == 0
