"""Keys are what the reference code makes of the same numbers, to the byte."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from boss_ingest.boss.keys import ChunkKey, CuboidKey, LookupIds, TileKey, demorton, morton, task_key

TILES = [
    ((1, 2, 3), 0, (5, 6, 1, 0), "03ca58a12ec662954ac12e06517d4269&1&2&3&0&5&6&1&0"),
    ((4, 9, 27), 0, (0, 0, 0, 0), "225414400ae108153ca3744836e7040d&4&9&27&0&0&0&0&0"),
    ((4, 9, 27), 2, (13, 7, 1023, 0), "ad8f5b6feb57a98fa45fb9ff69302d9d&4&9&27&2&13&7&1023&0"),
    ((11, 22, 33), 1, (2, 3, 40, 5), "4baafe1d7ede8137338925276f81e0ed&11&22&33&1&2&3&40&5"),
    # of one job: x, y [0, 2048) in tiles of 512, z [0, 40): messages 0, 15, 16, 256, 512 and 639
    ((4, 9, 27), 0, (0, 0, 15, 0), "c528af797231c98965294a0a114a0bff&4&9&27&0&0&0&15&0"),
    ((4, 9, 27), 0, (1, 0, 0, 0), "c7b7e8de4577e752dbaa3ec61e69a429&4&9&27&0&1&0&0&0"),
    ((4, 9, 27), 0, (0, 0, 16, 0), "bc30c67f663063a72152a7b711d16611&4&9&27&0&0&0&16&0"),
    ((4, 9, 27), 0, (0, 0, 32, 0), "f34945e1d15124f02a31babc1471d957&4&9&27&0&0&0&32&0"),
    ((4, 9, 27), 0, (3, 3, 39, 0), "f45d0509c91e34f4ec9be363ce2923df&4&9&27&0&3&3&39&0"),
    # of a job that starts elsewhere: x [1024, 2600), y [512, 1024), z [32, 37), t [0, 2): first and last
    ((4, 9, 27), 0, (2, 1, 32, 0), "4ae0a448f1d741cc1ae8d637bf7689dc&4&9&27&0&2&1&32&0"),
    ((4, 9, 27), 0, (5, 1, 36, 1), "199ea14e6da505d9e00be979ed29fe1e&4&9&27&0&5&1&36&1"),
]
CHUNKS = [
    (16, (1, 2, 3), 0, (5, 6, 1, 0), "77ff984241a0d6aa443d8724a816866d&16&1&2&3&0&5&6&1&0"),
    (16, (4, 9, 27), 0, (0, 0, 0, 0), "ca494d4f6199bb70facb289e1c1c96b6&16&4&9&27&0&0&0&0&0"),
    (8, (4, 9, 27), 2, (13, 7, 63, 0), "2bfb9b194a8590ed4d5f24b04dcb21ee&8&4&9&27&2&13&7&63&0"),
    (1, (11, 22, 33), 0, (2, 3, 4, 0), "77d302c76917533b63f856749c4ad529&1&11&22&33&0&2&3&4&0"),
    (4, (11, 22, 33), 1, (2, 3, 2, 5), "7e68493d30b98e4bd852bad8db1a3a04&4&11&22&33&1&2&3&2&5"),
    (16, (4, 9, 27), 0, (1, 0, 0, 0), "94d1fe2ad0c0d716e474ece17674eaf8&16&4&9&27&0&1&0&0&0"),
    (16, (4, 9, 27), 0, (0, 0, 1, 0), "9ba02ec55e990644dcbf69d83af1a1c3&16&4&9&27&0&0&0&1&0"),
    (8, (4, 9, 27), 0, (0, 0, 2, 0), "3910e6e9a617773c29b4b70d69ff464d&8&4&9&27&0&0&0&2&0"),
    (8, (4, 9, 27), 0, (3, 3, 2, 0), "62063e3c1a12f6e40405f9e00d22a2fe&8&4&9&27&0&3&3&2&0"),
    (5, (4, 9, 27), 0, (2, 1, 2, 0), "1254ebffae5f723e966307aab8bdc015&5&4&9&27&0&2&1&2&0"),
    (5, (4, 9, 27), 0, (5, 1, 2, 1), "ee5caa114647d5e3d236220d8e6e1c09&5&4&9&27&0&5&1&2&1"),
    (1, (11, 22, 33), 0, (4, 2, 2, 0), "28a4a57275db7caf3d51ca4635dc60ac&1&11&22&33&0&4&2&2&0"),
    (1, (4, 9, 27), 0, (0, 0, 0, 0), "29508dc8ca198723e7a95be31a5c73f0&1&4&9&27&0&0&0&0&0"),
    (1, (4, 9, 27), 0, (1, 0, 0, 0), "bb57c24639078d475d1e99d38806ca0d&1&4&9&27&0&1&0&0&0"),
]
CUBOIDS = [
    ((1, 2, 3), 0, 0, 0, "a1c1efb15f5b1b187220878b7fba48f8&1&2&3&0&0&0"),
    ((1, 2, 3), 0, 0, 39, "97a4ad48719ae53cce3a9bd86548f44a&1&2&3&0&0&39"),
    ((4, 9, 27), 0, 0, 282, "d7cb4f168c5f5dc0889fbbc2a9653930&4&9&27&0&0&282"),
    ((4, 4, 30), 0, 0, 8802, "02e4578abd294eb42c5c625b6340bd59&4&4&30&0&0&8802"),
    ((11, 22, 33), 1, 5, 72256832, "8f1ab0463bf037bdc43951b9fd8b53f8&11&22&33&1&5&72256832"),
    ((11, 22, 33), 0, 0, 2688, "c98c9eb90d0123d9621927e73d1762a7&11&22&33&0&0&2688"),
    ((11, 22, 33), 0, 0, 2727, "986e334affbf3c5686b4ed94356d19ad&11&22&33&0&0&2727"),
    ((4, 9, 27), 0, 0, 5, "338d0b5dc7608dd058c0af01f1d1dc81&4&9&27&0&0&5"),
    ((4, 9, 27), 0, 0, 13, "241b4e25a303533d73ab86e388de8e8f&4&9&27&0&0&13"),
]
MORTONS = [
    ((0, 0, 0), 0), ((1, 0, 0), 1), ((0, 1, 0), 2), ((0, 0, 1), 4), ((1, 1, 1), 7), ((2, 3, 4), 282),
    ((5, 6, 7), 501), ((12, 17, 2), 8802), ((100, 200, 300), 72256832), ((1023, 0, 511), 230087533),
    ((2097151, 2097151, 2097151), 9223372036854775807), ((1, 1, 3), 39), ((8, 4, 8), 2688),
    ((9, 5, 11), 2727), ((1, 0, 1), 5), ((3, 0, 1), 13),
]  # fmt: skip

index = st.integers(0, 2**21 - 1)
field = st.integers(0, 2**31 - 1)
lookup_ids = st.builds(LookupIds, field, field, field)


@pytest.mark.parametrize(("ids", "resolution", "xyzt", "key"), TILES)
def test_tile_keys(
    ids: tuple[int, int, int], resolution: int, xyzt: tuple[int, int, int, int], key: str
) -> None:
    tile = TileKey(LookupIds(*ids), resolution, *xyzt)
    assert tile.encode() == key
    assert TileKey.decode(key) == tile


@pytest.mark.parametrize(("depth", "ids", "resolution", "xyzt", "key"), CHUNKS)
def test_chunk_keys(
    depth: int, ids: tuple[int, int, int], resolution: int, xyzt: tuple[int, int, int, int], key: str
) -> None:
    chunk = ChunkKey(depth, LookupIds(*ids), resolution, *xyzt)
    assert chunk.encode() == key
    assert ChunkKey.decode(key) == chunk


@pytest.mark.parametrize(("ids", "resolution", "t", "code", "key"), CUBOIDS)
def test_cuboid_keys(ids: tuple[int, int, int], resolution: int, t: int, code: int, key: str) -> None:
    cuboid = CuboidKey(LookupIds(*ids), resolution, t, code)
    assert cuboid.encode() == key
    assert CuboidKey.decode(key) == cuboid


@pytest.mark.parametrize(("xyz", "code"), MORTONS)
def test_morton_codes(xyz: tuple[int, int, int], code: int) -> None:
    assert morton(*xyz) == code
    assert demorton(code) == xyz


@pytest.mark.parametrize(
    ("code", "origin_zyx"), [(5, (16, 0, 512)), (13, (16, 0, 1536)), (2688, (128, 2048, 4096))]
)
def test_a_cuboid_knows_where_it_lies(code: int, origin_zyx: tuple[int, int, int]) -> None:
    assert CuboidKey(LookupIds(4, 9, 27), 0, 0, code).origin_zyx == origin_zyx


@given(index, index, index)
def test_a_morton_code_leads_back_to_its_cuboid(x: int, y: int, z: int) -> None:
    assert demorton(morton(x, y, z)) == (x, y, z)


@given(st.builds(TileKey, lookup_ids, field, field, field, field, field))
def test_a_tile_key_leads_back_to_its_tile(key: TileKey) -> None:
    assert TileKey.decode(key.encode()) == key


@given(st.builds(ChunkKey, field, lookup_ids, field, field, field, field, field))
def test_a_chunk_key_leads_back_to_its_chunk(key: ChunkKey) -> None:
    assert ChunkKey.decode(key.encode()) == key


@given(st.builds(CuboidKey, lookup_ids, field, field, field))
def test_a_cuboid_key_leads_back_to_its_cuboid(key: CuboidKey) -> None:
    assert CuboidKey.decode(key.encode()) == key


@given(
    st.builds(TileKey, lookup_ids, field, field, field, field, field)
    | st.builds(ChunkKey, field, lookup_ids, field, field, field, field, field)
)
def test_the_key_of_a_task_tells_which_kind_it_is(key: TileKey | ChunkKey) -> None:
    assert task_key(key.encode()) == key


@given(st.builds(CuboidKey, lookup_ids, field, field, field).map(CuboidKey.encode) | st.text())
def test_what_names_no_task_is_none(key: str) -> None:
    assert task_key(key) is None


def test_the_hash_of_a_key_is_not_looked_at() -> None:
    assert TileKey.decode("nonsense&1&2&3&0&5&6&1&0") == TileKey(LookupIds(1, 2, 3), 0, 5, 6, 1, 0)


@pytest.mark.parametrize(
    "wrong", ["", "h", "h&1&2", "h&1&2&3&0&5&6&1&0&9", "h&1&2&3&0&5&6&-1&0", "h&1&2&3&0&5&6&²&0"]
)
def test_what_is_no_key_is_refused(wrong: str) -> None:
    for kind in (TileKey, ChunkKey, CuboidKey):
        with pytest.raises(ValueError, match="decimal fields"):
            kind.decode(wrong if kind is not ChunkKey else wrong + "&x")


def test_a_lookup_key_is_three_ids() -> None:
    assert LookupIds.parse("4&9&27") == LookupIds(4, 9, 27)
    assert str(LookupIds(4, 9, 27)) == "4&9&27"
    for wrong in ("", "4&9", "4&9&x", "4&9&27&1", "4& 9&27"):
        with pytest.raises(ValueError, match="decimal fields"):
            LookupIds.parse(wrong)


@pytest.mark.parametrize("xyz", [(-1, 0, 0), (0, 2**21, 0)])
def test_an_index_beyond_21_bits_has_no_morton_code(xyz: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="21 bits"):
        morton(*xyz)


@pytest.mark.parametrize("code", [-1, 2**63])
def test_a_number_beyond_63_bits_is_no_morton_code(code: int) -> None:
    with pytest.raises(ValueError, match="21 bits"):
        demorton(code)
