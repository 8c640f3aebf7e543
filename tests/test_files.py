"Files of arrays: what went in comes out, what is wrong with a file is said, and a kill leaves the old file or the new."

import errno
import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
import zipfile

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of

from dlnbook import files
from dlnbook.files import load_arrays, save_arrays

SETTINGS = settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
KIND, VERSION = "test file", 3
ARRAYS = {"x": np.linspace(-1, 1, 40).reshape(8, 5), "labels": np.arange(7, dtype="int16")}
ABOUT = {"epochs": 7, "state": 2**127 + 1, "eta": 0.1, "names": ["relu", "tanh"], "more": {"note": "ΔW ⊙", "none": None}}


def alike(one, other):
    "Whether two arrays have one dtype, one shape and the same bits."
    return one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()


@pytest.fixture
def path(tmp_path):
    "A file that was saved, alone in its folder."
    save_arrays(tmp_path / "kept.npz", KIND, VERSION, ARRAYS, ABOUT)
    return tmp_path / "kept.npz"


def only(path):
    "Whether the file is alone in its folder."
    return os.listdir(path.parent) == [path.name]


# What went in comes out


@SETTINGS
@given(
    st.dictionaries(
        st.text(st.characters(codec="utf-8"), min_size=1, max_size=12).filter(lambda name: name.isprintable() and "\\" not in name),
        arrays_of.arrays(
            st.sampled_from(["f8", "f4", "f2", ">f8", "i8", "i1", "u2", "?", "c16", "U3"]),
            arrays_of.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
        ),
        max_size=4,
    )
)
def test_arrays_come_back_bit_for_bit(tmp_path_factory, arrays):
    path = tmp_path_factory.mktemp("files") / "any name, even without .npz"
    save_arrays(path, KIND, VERSION, arrays)
    found, about = load_arrays(path, KIND, VERSION)
    assert about == {} and list(found) == list(arrays) and only(path)
    assert all(alike(found[name], arrays[name]) for name in arrays)


def test_special_numbers_and_layouts(tmp_path):
    odd = np.array([np.nan, -np.nan, np.inf, -np.inf, -0.0, 5e-324, np.finfo(float).max])
    grid = np.arange(24.0).reshape(4, 6)
    arrays = {"odd": odd, "columns": np.asfortranarray(grid), "strided": grid[::2, ::-3], "one": np.array(3.5), "file": grid, "dlnbook.json": odd, "../up": odd}
    save_arrays(tmp_path / "x", KIND, 1, arrays)
    found, _ = load_arrays(tmp_path / "x", KIND, 1)
    assert all(alike(found[name], arrays[name]) for name in arrays) and list(found) == list(arrays)


def test_what_is_said_about_them_comes_back(path):
    assert load_arrays(path, KIND, VERSION)[1] == ABOUT
    assert load_arrays(str(path), KIND, VERSION + 4)[1] == ABOUT  # an older file


def test_numpy_and_zip_can_read_the_file(path):
    with np.load(path, allow_pickle=False) as file:
        assert alike(file["x"], ARRAYS["x"]) and alike(file["labels"], ARRAYS["labels"])
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        assert json.loads(archive.read("dlnbook.json")) == {"kind": KIND, "version": VERSION, "about": ABOUT}


def test_equal_content_makes_equal_bytes(path, tmp_path):
    save_arrays(tmp_path / "again", KIND, VERSION, ARRAYS, ABOUT)
    assert (tmp_path / "again").read_bytes() == path.read_bytes()


def test_nothing_that_was_handed_in_is_changed(tmp_path):
    array = np.ones(3)
    array.flags.writeable = False
    arrays, about = {"x": array}, {"a": [1]}
    save_arrays(tmp_path / "x", KIND, 1, arrays, about)
    assert list(arrays) == ["x"] and arrays["x"] is array and about == {"a": [1]}
    load_arrays(tmp_path / "x", KIND, 1)[0]["x"][0] = 7  # one's own, and writeable
    assert array[0] == 1


@pytest.mark.skipif(os.name != "posix", reason="permissions and links as in POSIX")
def test_the_file_is_an_ordinary_one_and_links_stay_links(tmp_path):
    before = os.umask(0o022)
    try:
        save_arrays(tmp_path / "x", KIND, 1, ARRAYS)
    finally:
        os.umask(before)
    assert (tmp_path / "x").stat().st_mode & 0o777 == 0o644
    (tmp_path / "link").symlink_to("x")
    save_arrays(tmp_path / "link", KIND, 1, {"y": [1]})
    assert (tmp_path / "link").is_symlink() and list(load_arrays(tmp_path / "x", KIND, 1)[0]) == ["y"]


@pytest.mark.skipif(os.name != "posix", reason="permissions as in POSIX")
@pytest.mark.parametrize("mode", [0o600, 0o640, 0o444, 0o755, 0o666])
def test_permissions_are_kept(path, mode, monkeypatch):
    os.chmod(path, mode)
    seen, write = [], files._write

    def watched(file, *rest):
        seen.append(os.fstat(file.fileno()).st_mode & 0o777)
        write(file, *rest)

    monkeypatch.setattr(files, "_write", watched)
    save_arrays(path, KIND, 1, {"y": [1]})
    assert path.stat().st_mode & 0o777 == mode and seen == [0o600]  # nobody else reads the draft
    assert list(load_arrays(path, KIND, 1)[0]) == ["y"] and only(path)


@pytest.mark.skipif(os.name != "posix", reason="pipes as in POSIX")
def test_pipes_devices_and_folders_are_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    os.mkdir(tmp_path / "folder")
    (tmp_path / "link").symlink_to("pipe")
    before = sorted(os.listdir(tmp_path))
    for place, kind in {"pipe": "pipe", "folder": "folder", "link": "pipe", os.devnull: "device"}.items():
        for call in (lambda path: save_arrays(path, KIND, 1, ARRAYS), lambda path: load_arrays(path, KIND, 1)):
            with pytest.raises(OSError if kind == "folder" else ValueError, match=f"^path: expected a plain file, got a {kind}: "):
                call(tmp_path / place)
    assert sorted(os.listdir(tmp_path)) == before and (tmp_path / "pipe").is_fifo()


@pytest.mark.skipif(os.name != "posix", reason="lengths as in POSIX")
def test_names_as_long_as_the_file_system_permits(tmp_path):
    longest = os.pathconf(tmp_path, "PC_NAME_MAX")
    for name in ("x" * longest, "ü" * (longest // 2), "x"):
        save_arrays(tmp_path / name, KIND, 1, ARRAYS)
        save_arrays(tmp_path / name, KIND, 1, {"y": [1]})
        assert list(load_arrays(tmp_path / name, KIND, 1)[0]) == ["y"] and only(tmp_path / name)
        os.unlink(tmp_path / name)
    with pytest.raises(OSError):
        save_arrays(tmp_path / ("x" * (longest + 1)), KIND, 1, ARRAYS)
    assert not os.listdir(tmp_path)


# What is wrong with a file is said


def sealed(path, header, members=()):
    "A file with a proper seal and any contents."
    with open(path, "wb+") as file:
        files._write(file, header if isinstance(header, str) else json.dumps(header), {})
    if members:
        with zipfile.ZipFile(path, "a") as archive:
            for name, content in members:
                archive.writestr(name, content)
            archive.comment = files._SEAL + b"0" * 64
        with open(path, "rb+") as file:
            size = file.seek(0, os.SEEK_END) - 64
            digits = files._digest(file, size)
            file.seek(size)
            file.write(digits)


PLAIN = {"kind": KIND, "version": 1, "about": {}}


@pytest.mark.parametrize(
    "header",
    ["", "{", "[]", "3", "null", '"text"', "[" * 10**5, "1" * 5000, {}, *({key: PLAIN[key] for key in PLAIN if key != gone} for gone in PLAIN)]
    + [PLAIN | {"kind": wrong} for wrong in (3, None, "", [KIND])]
    + [PLAIN | {"version": wrong} for wrong in ("1", None, 0, -1, 1.5, True, [1])]
    + [PLAIN | {"about": wrong} for wrong in (None, 3, [], "x")],
    ids=lambda header: str(header)[:40],
)
def test_a_sealed_file_with_another_header(path, header):
    sealed(path, header)
    assert f"expected the contents of a {KIND}, got others" in refusal(path)


def test_a_sealed_file_with_other_members(path):
    whole = io.BytesIO()
    np.save(whole, np.ones(3))
    objects = io.BytesIO()
    np.save(objects, np.array([{}]), allow_pickle=True)
    sealed(path, PLAIN, [("x.npy", whole.getvalue())])
    assert load_arrays(path, KIND, 1)[0]["x"].tolist() == [1, 1, 1]
    for content in (b"", b"text", whole.getvalue()[:-1], whole.getvalue()[:40], objects.getvalue()):
        sealed(path, PLAIN, [("x.npy", content)])
        assert f"expected the contents of a {KIND}, got others" in refusal(path)


def refusal(path, kind=KIND, version=VERSION):
    "What is said about a file that is wrong. It is left as it is."
    before = path.read_bytes()
    with pytest.raises(ValueError) as caught:
        load_arrays(path, kind, version)
    assert path.read_bytes() == before and only(path)
    said = str(caught.value)
    assert said.startswith("path: expected ") and ", got " in said and said.endswith(f": {path}")
    return said


def test_a_file_cut_short_at_any_length(path):
    whole = path.read_bytes()
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        assert "expected a whole file, got a part of one" in refusal(path)


def test_a_file_that_has_grown(path):
    whole = path.read_bytes()
    for more in (b"\0", b"\n", whole):
        path.write_bytes(whole + more)
        assert "expected" in refusal(path)
    path.write_bytes(b"#" + whole)
    assert "got a file of another kind" in refusal(path)


def test_any_changed_byte_is_found(path):
    whole, rng = path.read_bytes(), np.random.default_rng(0)
    for place in range(len(whole)):
        changed = bytearray(whole)
        changed[place] ^= int(rng.integers(1, 256))
        path.write_bytes(changed)
        refusal(path)


def test_a_changed_number_is_called_that(path):
    whole = path.read_bytes()
    place = whole.index(ARRAYS["x"].tobytes()) + 9
    path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
    assert "expected the bytes once written, got others" in refusal(path)


def foreign():
    "Files of other programs."
    yield b"\x89PNG\r\n\x1a\n" + bytes(100)
    yield b"{}"
    yield np.random.default_rng(0).bytes(5000)
    plain = io.BytesIO()
    np.savez(plain, x=np.ones(3))
    yield plain.getvalue()
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.writestr("readme.txt", "hello")
    yield zipped.getvalue()


@pytest.mark.parametrize("content", list(foreign()), ids=["png", "json", "noise", "savez", "zip"])
def test_a_foreign_file_is_called_that(path, content):
    path.write_bytes(content)
    assert f"expected a {KIND}, got a file of another kind" in refusal(path)


def test_a_pickle_inside_is_not_run(path):
    class Bomb:
        def __reduce__(self):
            return os._exit, (1,)

    bomb = io.BytesIO()
    np.savez(bomb, x=np.array([Bomb()], dtype=object))
    path.write_bytes(bomb.getvalue())
    refusal(path)
    with io.BytesIO() as sealed:  # even with the right header and a seal that fits
        with zipfile.ZipFile(sealed, "w") as archive:
            archive.writestr("dlnbook.json", json.dumps({"kind": KIND, "version": 1, "about": {}}))
            with zipfile.ZipFile(bomb) as source:
                archive.writestr("x.npy", source.read("x.npy"))
            archive.comment = files._SEAL + b"0" * 64
        digits = files._digest(sealed, len(sealed.getvalue()) - 64)
        path.write_bytes(sealed.getvalue()[:-64] + digits)
    with pytest.raises(ValueError, match="allow_pickle"):
        load_arrays(path, KIND, VERSION)


def test_another_kind_and_a_newer_version(path):
    assert "expected a dlnbook network, got a test file" in refusal(path, kind="dlnbook network")
    said = refusal(path, version=VERSION - 1)
    assert f"expected version {VERSION - 1} at most, got the newer version {VERSION}" in said


def test_no_file_and_no_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match="no-such-file"):
        load_arrays(tmp_path / "no-such-file", KIND, 1)
    with pytest.raises(FileNotFoundError, match="^path: expected a folder that exists, got .*no-such-folder"):
        save_arrays(tmp_path / "no-such-folder" / "x", KIND, 1, ARRAYS)
    with pytest.raises(OSError):
        save_arrays(tmp_path, KIND, 1, ARRAYS)
    with pytest.raises(OSError):
        load_arrays(tmp_path, KIND, 1)
    assert not os.listdir(tmp_path) and not [name for name in os.listdir(tmp_path.parent) if name.endswith(".part")]


# Bad input: a value, and what is said about it

GOOD = {"path": "x", "kind": KIND, "version": 1, "arrays": ARRAYS, "about": ABOUT}
BAD = [
    ("path", 3, TypeError, "a file's path", "3"),
    ("path", None, TypeError, "a file's path", "None"),
    ("kind", "", ValueError, "a name", "''"),
    ("kind", b"x", TypeError, "a name", "b'x'"),
    ("version", 0, ValueError, "at least 1", "0"),
    ("version", 1.0, TypeError, "an integer", "1.0"),
    ("version", "1", TypeError, "an integer", "'1'"),
    ("version", True, TypeError, "an integer", "True"),
    ("arrays", [np.ones(3)], TypeError, "a dict", "list"),
    ("arrays", np.ones(3), TypeError, "a dict", "ndarray"),
    ("arrays", {3: np.ones(3)}, TypeError, "printable names", "3"),
    ("arrays", {"": np.ones(3)}, TypeError, "printable names", "''"),
    ("arrays", {"a\0b": np.ones(3)}, TypeError, "printable names", r"'a\x00b'"),
    ("arrays", {"a\\b": np.ones(3)}, TypeError, "printable names", r"'a\\b'"),
    ("arrays", {"\ud800": np.ones(3)}, TypeError, "printable names", r"'\ud800'"),
    ("arrays", {"x": None}, TypeError, "numbers or strings", "dtype object in 'x'"),
    ("arrays", {"x": np.array([{}])}, TypeError, "numbers or strings", "dtype object in 'x'"),
    ("arrays", {"x": np.zeros(2, "M8[s]")}, TypeError, "numbers or strings", "dtype datetime64[s] in 'x'"),
    ("arrays", {"x": [[1], [1, 2]]}, ValueError, "rows of equal length", "others in 'x'"),
    ("about", [1], TypeError, "a dict", "list"),
    ("about", {"x": np.ones(3)}, TypeError, "what JSON can hold", "ndarray"),
    ("about", {"x": 1j}, TypeError, "what JSON can hold", "complex"),
    ("about", {(1, 2): 3}, TypeError, "what JSON can hold", "tuple"),
]


@pytest.mark.parametrize(("parameter", "value", "error", "expected", "came"), BAD, ids=[f"{row[0]}-{i}" for i, row in enumerate(BAD)])
def test_bad_input_is_refused_and_changes_nothing(path, parameter, value, error, expected, came):
    before = path.read_bytes()
    calls = [(save_arrays, GOOD)] + [(load_arrays, dict(list(GOOD.items())[:3]))] * (parameter in ("path", "kind", "version"))
    for function, good in calls:
        with pytest.raises(error) as caught:
            function(**good | {"path": path, parameter: value})
        said = str(caught.value)
        assert said.startswith(f"{parameter}: expected {expected}") and came in said.partition(", got ")[2]
    assert path.read_bytes() == before and only(path)


# The old file or the new one


class Mishap(Exception):
    pass


def raising(error):
    def fail(*args, **kwargs):
        raise error

    return fail


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt(), MemoryError(), Mishap()], ids=lambda e: type(e).__name__)
@pytest.mark.parametrize("place", ["numpy.lib.format.write_array", "dlnbook.files._digest", "os.fsync", "os.replace"])
@pytest.mark.parametrize("there", [True, False])
def test_a_mishap_while_saving_changes_nothing(tmp_path, monkeypatch, place, error, there):
    path = tmp_path / "kept.npz"
    if there:
        save_arrays(path, KIND, 1, {"x": [1, 2, 3]})
    before = {name: (tmp_path / name).read_bytes() for name in os.listdir(tmp_path)}
    with monkeypatch.context() as patched:
        patched.setattr(place, raising(error))
        with pytest.raises(type(error)):
            save_arrays(path, KIND, 1, ARRAYS)
    assert {name: (tmp_path / name).read_bytes() for name in os.listdir(tmp_path)} == before
    save_arrays(path, KIND, 1, ARRAYS)
    assert only(path)


def test_a_reader_never_sees_half_of_a_file(tmp_path):
    path, stop, seen = tmp_path / "shared", threading.Event(), set()
    save_arrays(path, KIND, 1, {"x": np.zeros(1000)}, {"count": 0})

    def write():
        for count in range(1, 200):
            save_arrays(path, KIND, 1, {"x": np.full(1000, float(count))}, {"count": count})
        stop.set()

    thread = threading.Thread(target=write)
    thread.start()
    while not stop.is_set():
        arrays, about = load_arrays(path, KIND, 1)
        assert (arrays["x"] == about["count"]).all()
        seen.add(about["count"])
    thread.join()
    assert len(seen) > 3 and only(path)


NURSERY = """
import os, sys
import numpy as np
from dlnbook.files import load_arrays, save_arrays
path = sys.argv[1]
for _ in sys.stdin:  # for each line a child that saves until it is killed
    if child := os.fork():
        print(child, os.waitpid(child, 0)[1], flush=True)
        continue
    count = load_arrays(path, "test file", 1)[1]["count"]
    print(os.getpid(), flush=True)
    while True:
        count += 1
        save_arrays(path, "test file", 1, {"x": np.full(60_000, float(count)), "y": np.array(count)}, {"count": count})
"""


@pytest.mark.skipif(os.name != "posix", reason="signals as in POSIX")
def test_a_kill_at_any_moment_leaves_the_old_file_or_the_new(tmp_path):
    path, rng, reached, drafts = tmp_path / "killed.npz", np.random.default_rng(0), [0], 0
    start = time.perf_counter()
    for _ in range(3):
        save_arrays(path, KIND, 1, {"x": np.zeros(60_000), "y": np.array(0)}, {"count": 0})
    once = (time.perf_counter() - start) / 3
    with subprocess.Popen([sys.executable, "-c", NURSERY, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as nursery:
        for _ in range(40):
            nursery.stdin.write("go\n")
            nursery.stdin.flush()
            writer = int(nursery.stdout.readline())
            time.sleep(rng.uniform(0, 6 * once))
            os.kill(writer, signal.SIGKILL)
            assert nursery.stdout.readline().split() == [str(writer), str(int(signal.SIGKILL))]
            arrays, about = load_arrays(path, KIND, 1)
            reached.append(about["count"])
            assert (arrays["x"] == reached[-1]).all() and arrays["y"] == reached[-1] >= reached[-2]
            left = [name for name in os.listdir(tmp_path) if name != path.name]
            assert len(left) <= 1 and all(name.startswith(".") and name.endswith(".part") for name in left)
            for name in left:
                (tmp_path / name).unlink()
            drafts += len(left)
        nursery.stdin.close()
        assert nursery.wait(timeout=10) == 0
    assert reached[-1] > 20  # it saved in between
    assert drafts >= 3  # and kills did hit it in the middle of saving
