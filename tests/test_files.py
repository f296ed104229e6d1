"""Files are whole or absent, and keep what was there when writing fails."""

from __future__ import annotations

import errno
import os
import stat

import pytest

from tests.support.full_disk import file_size_limit
from tfwavenet import files


def test_bytes_appear_only_at_the_end(tmp_path):
    target = tmp_path / "deep" / "er" / "a.bin"
    with files.atomic_write(target) as file:
        file.write(b"new")
        assert not target.exists()
    assert target.read_bytes() == b"new"
    assert [path.name for path in target.parent.iterdir()] == ["a.bin"]


def test_written_file_can_be_seeked_and_patched(tmp_path):
    with files.atomic_write(tmp_path / "a.bin") as file:
        file.write(b"....data")
        file.seek(0)
        file.write(b"head")
    assert (tmp_path / "a.bin").read_bytes() == b"headdata"


@pytest.mark.parametrize("error", [RuntimeError("no"), KeyboardInterrupt(), SystemExit(3)])
def test_an_exception_keeps_the_old_file_and_leaves_no_other(tmp_path, error):
    target = tmp_path / "a.bin"
    target.write_bytes(b"old")

    def fail_halfway():
        with files.atomic_write(target) as file:
            file.write(b"half")
            raise error

    with pytest.raises(type(error)):
        fail_halfway()
    assert target.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a.bin"]


def test_errors_of_other_files_pass_unchanged(tmp_path):
    with pytest.raises(FileNotFoundError) as caught, files.atomic_write(tmp_path / "a.bin"):
        (tmp_path / "other").read_bytes()
    assert caught.value.filename == str(tmp_path / "other")


def test_full_disk_names_the_file_and_keeps_the_old_one(tmp_path):
    target = tmp_path / "a.bin"
    target.write_bytes(b"old")

    def fill():
        with file_size_limit(100), files.atomic_write(target) as file:
            file.write(bytes(10**6))

    with pytest.raises(OSError, match="nothing was changed") as caught:
        fill()
    assert (caught.value.errno, caught.value.filename) == (errno.EFBIG, str(target))
    assert target.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a.bin"]


def test_a_directory_that_is_a_file_is_named(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OSError, match="file"), files.atomic_write(tmp_path / "file" / "a.bin"):
        pass


def test_permissions_follow_the_umask(tmp_path):
    old = os.umask(0o027)
    try:
        files.write_json(tmp_path / "a.json", 1)
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "a.json").stat().st_mode) == 0o640


@pytest.mark.parametrize("value", [{"b": 1, "a": [1.5, None, "ä"]}, [], "x", 0.1 + 0.2])
@pytest.mark.parametrize("indent", [None, 2])
def test_json_round_trip(tmp_path, value, indent):
    files.write_json(tmp_path / "a.json", value, indent=indent)
    assert files.read_json(tmp_path / "a.json") == value


@pytest.mark.parametrize("value", [float("nan"), [float("inf")]])
def test_json_refuses_what_has_no_spelling(tmp_path, value):
    with pytest.raises(ValueError, match="JSON"):
        files.write_json(tmp_path / "a.json", value)
    assert not (tmp_path / "a.json").exists()


@pytest.mark.parametrize("content", [b"", b'{"a": 1', b"\xff\xfe", b"{} {}"])
def test_damaged_json_is_named(tmp_path, content):
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(ValueError, match=r"a\.json.*bytes"):
        files.read_json(tmp_path / "a.json")


def test_missing_json_stays_a_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        files.read_json(tmp_path / "a.json")


class TestDirectories:
    def test_appear_only_at_the_end(self, tmp_path):
        target = tmp_path / "deep" / "1"
        with files.atomic_directory(target) as folder:
            (folder / "assets").mkdir()
            (folder / "assets" / "a.bin").write_bytes(b"new")
            assert not target.exists()
        assert (target / "assets" / "a.bin").read_bytes() == b"new"
        assert os.listdir(target.parent) == ["1"]

    @pytest.mark.parametrize("error", [RuntimeError("no"), KeyboardInterrupt()])
    def test_leave_nothing_behind_an_exception(self, tmp_path, error):
        def fail_halfway():
            with files.atomic_directory(tmp_path / "1") as folder:
                (folder / "a.bin").write_bytes(b"half")
                raise error

        with pytest.raises(type(error)):
            fail_halfway()
        assert os.listdir(tmp_path) == []

    def test_are_not_replaced(self, tmp_path):
        target = tmp_path / "1"
        target.mkdir()
        with pytest.raises(FileExistsError, match="replaced"), files.atomic_directory(target):
            pass
        assert os.listdir(tmp_path) == ["1"]

    def test_a_temporary_name_is_no_version(self, tmp_path):
        with files.atomic_directory(tmp_path / "1") as folder:
            assert not folder.name.isdecimal()


def test_a_folder_that_is_being_removed_has_lost_its_name(tmp_path, monkeypatch):
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "a").write_bytes(b"1")

    def killed(path):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("shutil.rmtree", killed)
        with pytest.raises(KeyboardInterrupt):
            files.remove_directory(tmp_path / "one")
    assert not (tmp_path / "one").exists()
    (tmp_path / "two").mkdir()
    files.remove_directory(tmp_path / "two")
    assert [path.name for path in tmp_path.iterdir()] == [f"one.tmp-{os.getpid()}-old"]


def test_a_partial_file_has_one_writer(tmp_path):
    path = tmp_path / "deep" / "a.txt"
    first = files.open_partial(path)
    first.write(b"first")
    with pytest.raises(OSError, match="written by another process") as error:
        files.open_partial(path)
    assert error.value.filename == f"{path}.partial"
    assert (tmp_path / "deep" / "a.txt.partial").read_bytes() == b"first"
    os.replace(f"{path}.partial", path)
    first.close()
    with files.open_partial(path) as second:
        second.write(b"2")
    assert path.read_bytes() == b"first"


def test_what_a_killed_writer_left_is_overwritten(tmp_path):
    (tmp_path / "a.partial").write_bytes(b"much longer than what follows")
    with files.open_partial(tmp_path / "a") as file:
        file.write(b"new")
    assert (tmp_path / "a.partial").read_bytes() == b"new"


def test_a_folder_is_no_file_to_write(tmp_path):
    with pytest.raises(IsADirectoryError, match="is a folder"):
        files.open_partial(tmp_path)


def test_distinct_names():
    names = files.distinct(["a", "b", "a", "a-2", "a"])
    assert names == ["a", "b", "a-2", "a-2-2", "a-3"]


def test_json_keeps_names_of_files_that_are_no_utf8(tmp_path):
    name = os.fsdecode(b"\xff\xfe \xe4\xb8\xad")
    files.write_json(tmp_path / "a.json", {name: name})
    assert files.read_json(tmp_path / "a.json") == {name: name}


LONG = "録音資料集" * 8 + "/" + "第一巻" * 14 + "/"
LATIN1 = os.fsdecode(b"Andr\xe9/1")


@pytest.mark.parametrize(
    ("names", "stems"),
    [
        (["a/b 1", "é-2.x", "../up"], ["a_b_1", "é-2.x", ".._up"]),
        (["anna/1", "anna_1", "anna 1"], ["anna_1", "anna_1-2", "anna_1-3"]),
        ([LATIN1], ["Andr_udce9_1"]),
    ],
)
def test_names_of_utterances_become_names_of_files(names, stems):
    assert files.file_stems(names) == stems


def test_long_names_are_cut_and_told_apart(tmp_path):
    stems = files.file_stems([f"{LONG}{number}" for number in range(30)])
    assert len(set(stems)) == 30
    for stem in stems:
        with files.atomic_write(tmp_path / f"{stem}.before_training.wav") as file:
            file.write(b"x")
    assert len(list(tmp_path.iterdir())) == 30
