"""HDF5, the classic classes: which file, which voxels, and where the original went wrong."""

import io

import numpy as np
import pytest
from PIL import Image

from boss_ingest.errors import ConfigError, MissingSourceError, SourceError
from boss_ingest.plugins import hdf5
from boss_ingest.plugins.classic import ClassicTiles
from boss_ingest.plugins.reader import Setup, TileIndex

h5py = pytest.importorskip("h5py", reason="needs boss-ingest[hdf5]")

ROWS, COLUMNS = 16, 24


def job(z=(0, 400), rows=ROWS, columns=COLUMNS):
    return {
        "extent": {"x": [0, 96], "y": [0, 64], "z": list(z), "t": [0, 5]},
        "tile_size": {"x": columns, "y": rows, "z": 1, "t": 1},
    }


def ready(kind, params, **size):
    processor = kind()
    assert processor.parameters is None
    processor.setup({**params, "ingest_job": job(**size)})
    return processor


def tile(kind, path, index, params, **size):
    """Pixels of the tile at x, y, z, t."""
    with ready(kind, params, **size).process(str(path), *index) as handle, Image.open(handle) as image:
        return np.asarray(image)


def write(path, **datasets):
    with h5py.File(path, "w") as file:
        for name, array in datasets.items():
            file.create_dataset(name, data=array, chunks=True if np.ndim(array) > 1 else None)
    return path


def voxels(*shape, dtype=np.uint16):
    return (np.arange(np.prod(shape)) * 7 % 65521).astype(dtype).reshape(shape)


# --- which file

SLICES = [hdf5.Hdf5TimeSeriesPathProcessor, hdf5.Hdf5SlicePathProcessor]


@pytest.mark.parametrize("kind", SLICES)
@pytest.mark.parametrize(
    ("template", "z", "name"),
    [
        ("test_id_slice<o:1>", 3, "test_id_slice4.hdf5"),
        ("my_base_<>", 7, "my_base_7.hdf5"),
        ("<o:200>_my_base_<p:4>", 7, "207_my_base_0007.hdf5"),
        ("my_<o:200p:4>", 7, "my_0207.hdf5"),
        ("a<p:4o:200>", 7, "a<p:4o:200>.hdf5"),
    ],
)
def test_a_slice_has_the_file_of_its_template(kind, template, z, name):
    paths = ready(kind, {"root_dir": "", "extension": "hdf5", "base_filename": template})
    assert paths.process(0, 0, z, 0) == name


@pytest.mark.parametrize("kind", SLICES)
@pytest.mark.parametrize("z", [15, 20])
def test_slices_outside_of_the_job_are_an_index_error(kind, z):
    paths = ready(kind, {"root_dir": "r", "extension": "h5", "base_filename": "<>"}, z=(16, 20))
    with pytest.raises(IndexError):
        paths.process(0, 0, z, 0)


def chunk_path(x, y, z, **params):
    given = {"root_dir": "", "extension": "h5", "prefix": "p", "x_offset": 5, "y_offset": 0, "z_offset": 0}
    sizes = {"x_chunk_size": 512, "y_chunk_size": 512, "z_chunk_size": 260, "use_python_convention": True}
    return ready(hdf5.Hdf5ChunkPathProcessor, {**given, **sizes, **params}).process(x, y, z, 0)


@pytest.mark.parametrize(
    ("z", "params", "name"),
    [
        (0, {}, "p_517-1029_1024-1536_0-260.h5"),
        (259, {}, "p_517-1029_1024-1536_0-260.h5"),
        (300, {}, "p_517-1029_1024-1536_260-520.h5"),  # the original: 1-520
        (0, {"z_offset": 10}, "p_517-1029_1024-1536_10-270.h5"),
        (259, {"z_offset": 10}, "p_517-1029_1024-1536_10-270.h5"),  # the original: 11-530
        (0, {"use_python_convention": False}, "p_517-1028_1024-1535_0-259.h5"),
    ],
)
def test_a_block_has_its_voxels_in_its_name(z, params, name):
    assert chunk_path(1, 2, z, **params) == name


def test_a_single_file_is_itself():
    paths = ready(hdf5.Hdf5SingleFilePathProcessor, {"filename": "/my/file.h5"})
    assert paths.process(3, 4, 5, 6) == "/my/file.h5"


@pytest.mark.parametrize(
    "params", [{"prefix": "../p"}, {"prefix": "/p"}, {"z_chunk_size": 0}, {"z_chunk_size": 2.5}]
)
def test_wrong_params_of_paths_are_refused(params):
    with pytest.raises(ConfigError):
        chunk_path(0, 0, 0, **params)


def test_a_link_out_of_the_root_is_refused_unless_allowed(tmp_path):
    (tmp_path / "root").mkdir()
    (tmp_path / "0.h5").write_bytes(b"")
    (tmp_path / "root/0.h5").symlink_to(tmp_path / "0.h5")
    params = {"root_dir": str(tmp_path / "root"), "extension": "h5", "base_filename": "<>"}
    with pytest.raises(SourceError, match="outside"):
        ready(hdf5.Hdf5SlicePathProcessor, params).process(0, 0, 0, 0)
    allowed = ready(hdf5.Hdf5SlicePathProcessor, {**params, "allow_outside_root": True})
    assert allowed.process(0, 0, 0, 0) == str(tmp_path / "root/0.h5")


# --- time series

SERIES = {"upload_format": "tiff", "dataset": "aligned", "filesystem": "local", "bucket": ""}


def series(path, index, **params):
    given = {**SERIES, "channel_index": 1, "scale_factor": 1, **params}
    return tile(hdf5.Hdf5TimeSeriesTileProcessor, path, index, given)


@pytest.mark.parametrize(("x", "y", "t"), [(0, 0, 0), (1, 1, 2), (2, 2, 4)])
def test_a_time_series_is_cut_by_x_and_y_and_turned_to_rows(tmp_path, x, y, t):
    data = voxels(5, 60, 40, 3)  # t, x, y, channel; partial tiles at both ends
    path = write(tmp_path / "a.h5", aligned=data)
    wanted = data[t, 24 * x : 24 * (x + 1), 16 * y : 16 * (y + 1), 1].T
    pixels = series(path, (x, y, 0, t))
    assert pixels.dtype == np.uint16
    assert (pixels == wanted).all()
    assert pixels.shape == wanted.shape


def test_a_scaled_time_series_is_cut_to_whole_numbers(tmp_path):
    data = np.full((1, 24, 16, 2), 123456.0)
    data[0, 0, 0, 1] = 129999.9
    pixels = series(write(tmp_path / "a.h5", aligned=data), (0, 0, 0, 0), scale_factor=0.0001)
    assert pixels.dtype == np.uint16
    assert (pixels[0, 0], pixels[1, 1]) == (12, 12)


def test_scaled_values_that_do_not_fit_are_never_wrapped(tmp_path):
    path = write(tmp_path / "a.h5", aligned=voxels(1, 24, 16, 2))
    with pytest.raises(SourceError, match="-"):
        series(path, (0, 0, 0, 0), scale_factor=-1.0)
    assert series(path, (0, 0, 0, 0), scale_factor=1000.0).max() > 65535
    nan = write(tmp_path / "nan.h5", aligned=np.full((1, 24, 16, 2), np.nan))
    with pytest.raises(SourceError, match="no numbers"):
        series(nan, (0, 0, 0, 0))


@pytest.mark.parametrize(
    ("index", "params"), [((0, 0, 0, 5), {}), ((0, 0, 0, 0), {"channel_index": 3}), ((3, 0, 0, 0), {})]
)
def test_what_a_time_series_does_not_have_is_an_index_error(tmp_path, index, params):
    path = write(tmp_path / "a.h5", aligned=voxels(5, 60, 40, 3))
    with pytest.raises(IndexError, match=r"a\.h5:aligned"):
        series(path, index, **params)


# --- labels


@pytest.mark.parametrize("dtype", [np.uint32, np.int64, np.float64])
def test_labels_are_the_same_for_all_times_and_of_32_bits(tmp_path, dtype):
    data = voxels(60, 40, dtype=dtype) * 1000
    path = write(tmp_path / "a.h5", rois=data)
    params = {"upload_format": "tiff", "dataset": "rois", "filesystem": "local", "bucket": ""}
    for t in (0, 3):
        pixels = tile(hdf5.Hdf5TimeSeriesLabelTileProcessor, path, (2, 1, 7, t), params)
        assert pixels.dtype == np.int32
        assert (pixels == data[48:60, 16:32].T).all()


def test_labels_that_are_no_whole_numbers_are_refused(tmp_path):
    path = write(tmp_path / "a.h5", rois=np.full((60, 40), 0.5))
    with pytest.raises(SourceError, match="whole numbers"):
        tile(hdf5.Hdf5TimeSeriesLabelTileProcessor, path, (0, 0, 0, 0), {"dataset": "rois"})


# --- slices with a place


def slice_tile(path, x, y, **params):
    given = {"data_name": "em", "offset_name": "at", "extent_name": "size", "datatype": "uint8"}
    origin = {"offset_origin_x": 3, "offset_origin_y": -2, "upload_format": "png", "filesystem": "local"}
    return tile(hdf5.Hdf5SliceTileProcessor, path, (x, y, 0, 0), {**given, **origin, **params})


@pytest.mark.parametrize(("x", "y"), [(0, 0), (1, 1), (2, 2), (0, 2), (3, 3)])
def test_a_slice_lies_at_its_offset_with_zeros_around(tmp_path, x, y):
    data = voxels(20, 30, dtype=np.uint8) | 1
    path = write(tmp_path / "a.h5", em=data, at=[10, 20], size=[18, 30])
    frame = np.zeros((200, 200), np.uint8)
    frame[8:26, 23:53] = data[:18]
    pixels = slice_tile(path, x, y)
    assert (pixels == frame[16 * y : 16 * (y + 1), 24 * x : 24 * (x + 1)]).all()
    assert pixels.dtype == np.uint8
    assert pixels.shape == (ROWS, COLUMNS)


def test_a_slice_without_offset_and_extent_is_at_the_origin(tmp_path):
    data = voxels(20, 30)
    path = write(tmp_path / "a.h5", em=data)
    params = {"offset_name": "", "extent_name": "", "offset_origin_x": 0, "offset_origin_y": 0}
    assert (slice_tile(path, 0, 0, **params) == data[:16, :24]).all()


def test_an_extent_that_is_larger_than_the_slice_is_an_error(tmp_path):
    path = write(tmp_path / "a.h5", em=voxels(20, 30), at=[0, 0], size=[21, 30])
    with pytest.raises(SourceError, match="extent"):
        slice_tile(path, 0, 0)
    path = write(tmp_path / "b.h5", em=voxels(20, 30), at=[0, 0, 0], size=[20, 30])
    with pytest.raises(SourceError, match="two numbers"):
        slice_tile(path, 0, 0)


# --- blocks

CHUNK = {"upload_format": "tiff", "z_chunk_size": 4, "data_name": "img", "datatype": "uint16"}


def chunk_tile(path, z, **params):
    return tile(hdf5.Hdf5ChunkTileProcessor, path, (1, 2, z, 0), {**CHUNK, **params})


def test_a_tile_of_a_block_is_its_plane(tmp_path):
    data = voxels(4, ROWS, COLUMNS)
    path = write(tmp_path / "a.h5", img=data)
    for z in (0, 3, 4, 11):
        assert (chunk_tile(path, z) == data[z % 4]).all()
    with pytest.raises(IndexError):
        chunk_tile(path, 4, z_chunk_size=6)


def test_planes_larger_than_the_tile_are_refused_or_cropped_by_name(tmp_path):
    data = voxels(4, 20, 30)
    path = write(tmp_path / "a.h5", img=data)
    with pytest.raises(SourceError, match="20 rows × 30 columns") as caught:
        chunk_tile(path, 1)
    assert '"crop": true' in caught.value.hint
    assert (chunk_tile(path, 1, crop=True) == data[1, :16, :24]).all()


def test_planes_smaller_than_the_tile_stay_so(tmp_path):
    data = voxels(4, 10, 12)
    assert (chunk_tile(write(tmp_path / "a.h5", img=data), 1) == data[1]).all()


def test_a_missing_or_damaged_block_is_an_error_and_never_black(tmp_path):
    with pytest.raises(MissingSourceError, match=r"no\.h5"):
        chunk_tile(tmp_path / "no.h5", 0)
    (tmp_path / "not.h5").write_bytes(b"no HDF5 at all")
    with pytest.raises(SourceError, match=r"not\.h5") as caught:
        chunk_tile(tmp_path / "not.h5", 0)
    assert not isinstance(caught.value, MissingSourceError)
    path = write(tmp_path / "cut.h5", img=voxels(4, ROWS, COLUMNS))
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(SourceError, match=r"cut\.h5.*truncated") as caught:
        chunk_tile(path, 0)
    assert "copy" in caught.value.hint


TYPES = [
    ("u1", "uint8", "L"),
    (">u2", "uint16", "I;16"),
    ("f8", "uint32", "I"),
    ("u4", "uint32", "I"),
    ("f4", "uint8", "L"),
]


@pytest.mark.parametrize(("stored", "datatype", "bits"), TYPES)
def test_whole_numbers_keep_their_values_in_any_type(tmp_path, stored, datatype, bits):
    data = voxels(4, ROWS, COLUMNS) % 251
    path = write(tmp_path / "a.h5", img=data.astype(stored))
    body = ready(hdf5.Hdf5ChunkTileProcessor, {**CHUNK, "datatype": datatype}).process(str(path), 0, 0, 1, 0)
    with Image.open(body) as image:
        assert image.mode == bits
        assert (np.asarray(image) == data[1]).all()


# --- a volume in one file


def single(path, x, y, z, **params):
    given = {"upload_format": "tiff", "data_name": "img", "datatype": "uint16", "filesystem": "local"}
    return tile(hdf5.Hdf5SingleFileTileProcessor, path, (x, y, z, 0), {**given, **params})


@pytest.mark.parametrize(
    "offset",
    [{}, {"offset_x": 7, "offset_y": 5, "offset_z": 2}, {"offset_x": -9, "offset_y": -3}, {"offset_x": -60}],
)
@pytest.mark.parametrize(("x", "y"), [(0, 0), (1, 1), (2, 2), (5, 0)])
def test_a_single_file_is_shifted_by_its_offset_with_zeros_around(tmp_path, offset, x, y):
    data = voxels(6, 40, 60) | 1
    path = write(tmp_path / "a.h5", img=data)
    frame = np.zeros((100, 400, 400), np.uint16)
    frame[50:56, 100:140, 100:160] = data
    z0, y0, x0 = (
        52 + offset.get("offset_z", 0),
        100 + offset.get("offset_y", 0),
        100 + offset.get("offset_x", 0),
    )
    wanted = frame[z0, y0 + 16 * y : y0 + 16 * (y + 1), x0 + 24 * x : x0 + 24 * (x + 1)]
    pixels = single(path, x, y, 2, **offset)
    assert pixels.shape == (ROWS, COLUMNS)
    assert (pixels == wanted).all()


def test_a_tile_that_hangs_over_both_ends_is_filled_up_at_both(tmp_path):
    data = voxels(2, 4, 5) | 1
    path = write(tmp_path / "a.h5", img=data)
    pixels = single(path, 0, 0, 1, offset_x=-3, offset_y=-2)
    assert (pixels[2:6, 3:8] == data[1]).all()
    assert pixels.sum() == data[1].sum()


def test_planes_before_the_first_are_zero_and_after_the_last_an_error(tmp_path):
    path = write(tmp_path / "a.h5", img=voxels(6, 40, 60) | 1)
    assert not single(path, 0, 0, 1, offset_z=-2).any()
    with pytest.raises(IndexError, match="no z 6"):
        single(path, 0, 0, 6)
    with pytest.raises(IndexError):
        single(path, 5, 5, 4, offset_z=2)


# --- all of them

PARAMS = {
    hdf5.Hdf5TimeSeriesTileProcessor: {"dataset": "a"},
    hdf5.Hdf5TimeSeriesLabelTileProcessor: {"dataset": "a"},
    hdf5.Hdf5SliceTileProcessor: {"data_name": "a"},
    hdf5.Hdf5ChunkTileProcessor: {"data_name": "a", "z_chunk_size": 1},
    hdf5.Hdf5SingleFileTileProcessor: {"data_name": "a"},
}


@pytest.mark.parametrize("kind", PARAMS)
def test_a_dataset_of_another_name_axes_or_kind_is_told_apart(tmp_path, kind):
    path = write(tmp_path / "a.h5", b=voxels(3))
    with pytest.raises(SourceError, match="no dataset 'a'") as caught:
        ready(kind, PARAMS[kind]).process(str(path), 0, 0, 0, 0)
    assert "it has b" in caught.value.hint
    with h5py.File(tmp_path / "g.h5", "w") as file:
        file["a/inside"] = voxels(3)
    with pytest.raises(SourceError, match="group") as caught:
        ready(kind, PARAMS[kind]).process(str(tmp_path / "g.h5"), 0, 0, 0, 0)
    assert "/a/inside" in caught.value.hint
    with pytest.raises(SourceError, match="axes"):
        ready(kind, PARAMS[kind]).process(str(write(tmp_path / "c.h5", a=voxels(3))), 0, 0, 0, 0)
    with h5py.File(tmp_path / "s.h5", "w") as file:
        file["a"] = "text"
    with pytest.raises(SourceError, match="not voxels"):
        ready(kind, PARAMS[kind]).process(str(tmp_path / "s.h5"), 0, 0, 0, 0)


@pytest.mark.parametrize("kind", PARAMS)
@pytest.mark.parametrize(
    "wrong", [{"filesystem": "ftp"}, {"filesystem": "s3"}, {"data_nam": "a"}, {"upload_format": 3}]
)
def test_wrong_params_are_refused_at_setup(kind, wrong):
    with pytest.raises(ConfigError) as caught:
        ready(kind, {**PARAMS[kind], **wrong})
    assert caught.value.problems


@pytest.mark.parametrize(
    ("upload_format", "stored_as"),
    [("png", "PNG"), ("PNG", "PNG"), ("tif", "TIFF"), ("tiff", "TIFF"), ("jpeg", "TIFF")],
)
def test_tiles_are_encoded_without_loss_whatever_was_asked_for(tmp_path, upload_format, stored_as):
    data = voxels(1, ROWS, COLUMNS)
    path = write(tmp_path / "a.h5", img=data)
    params = {**CHUNK, "z_chunk_size": 1, "upload_format": upload_format}
    with Image.open(ready(hdf5.Hdf5ChunkTileProcessor, params).process(str(path), 0, 0, 0, 0)) as image:
        assert image.format == stored_as
        assert (np.asarray(image) == data[0]).all()


def test_a_pair_runs_as_users_plugins_do(tmp_path):
    data = voxels(4, ROWS, COLUMNS)
    write(tmp_path / "p_24-48_0-16_0-4.h5", img=data)
    names = {"root_dir": str(tmp_path), "extension": "h5", "prefix": "p", "x_chunk_size": 24,
             "y_chunk_size": 16, "z_chunk_size": 4}  # fmt: skip
    pair = (f"ingestclient.plugins.hdf5.Hdf5Chunk{each}Processor" for each in ("Path", "Tile"))
    path, body = ClassicTiles(*pair, Setup(names, CHUNK, job(), tmp_path)).read(TileIndex(1, 0, 2, 0))
    assert path.endswith("p_24-48_0-16_0-4.h5")
    assert (np.asarray(Image.open(io.BytesIO(body))) == data[2]).all()
