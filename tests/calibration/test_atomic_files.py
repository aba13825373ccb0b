import os
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from asd_edge.calibration.atomic_files import check_writable, make_folder, write_folder, write_whole
from asd_edge.calibration.errors import InputError


def test_the_content_stands_there_when_the_block_ends(tmp_path: Path) -> None:
    path = tmp_path / "new"
    with write_whole(path) as file:
        file.write(b"whole")
        # Nothing of it can be seen before.
        assert not path.exists()
    assert path.read_bytes() == b"whole"
    assert list(tmp_path.iterdir()) == [path]


def test_an_old_file_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "old"
    path.write_bytes(b"a longer one that was there before")
    with write_whole(path) as file:
        file.write(b"new")
    assert path.read_bytes() == b"new"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("before", [None, b"before"])
def test_nothing_happens_when_the_block_raises(
    tmp_path: Path, error: type[BaseException], before: bytes | None
) -> None:
    path = tmp_path / "file"
    if before is not None:
        path.write_bytes(before)

    def write_half() -> None:
        with write_whole(path) as file:
            file.write(b"half")
            file.flush()
            raise error

    with pytest.raises(error):
        write_half()
    assert (path.read_bytes() if path.exists() else None) == before
    assert list(tmp_path.iterdir()) == ([] if before is None else [path])


@pytest.mark.skipif(os.name != "posix", reason="file permissions are POSIX")
@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664), (0o000, 0o666)])
def test_permissions_follow_the_umask(tmp_path: Path, umask: int, mode: int) -> None:
    path = tmp_path / "file"
    before = os.umask(umask)
    try:
        with write_whole(path) as file:
            file.write(b"x")
        assert os.umask(umask) == umask
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == mode


@pytest.mark.parametrize("function", ["check_writable", "write_whole"])
def test_a_missing_folder_is_named_with_what_to_do(tmp_path: Path, function: str) -> None:
    path = tmp_path / "missing" / "bank.npz"

    def write() -> None:
        if function == "check_writable":
            check_writable(path)
        else:
            with write_whole(path) as file:
                file.write(b"x")

    with pytest.raises(InputError, match=r"Cannot write bank.npz: No such file or directory") as raised:
        write()
    assert raised.value.got == str(path)
    assert "make the folder" in raised.value.next_step
    assert list(tmp_path.iterdir()) == []


def test_a_folder_in_place_of_the_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is a folder") as raised:
        check_writable(tmp_path)
    assert raised.value.got == str(tmp_path)

    def write() -> None:
        with write_whole(tmp_path / "folder") as file:
            file.write(b"x")

    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError, match="Cannot write folder: Is a directory"):
        write()
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_checking_leaves_nothing_behind_and_touches_nothing(tmp_path: Path) -> None:
    path = tmp_path / "bank.npz"
    check_writable(path)
    assert list(tmp_path.iterdir()) == []
    path.write_bytes(b"there")
    check_writable(path)
    assert list(tmp_path.iterdir()) == [path]
    assert path.read_bytes() == b"there"


@pytest.mark.parametrize("empty_folder", [False, True])
def test_a_folder_stands_there_when_the_block_ends(tmp_path: Path, empty_folder: bool) -> None:
    path = tmp_path / "results"
    if empty_folder:
        path.mkdir()
    with write_folder(path) as folder:
        (folder / "banks").mkdir()
        (folder / "banks" / "fan.npz").write_bytes(b"new")
        assert not (path / "banks").exists()
    assert (path / "banks" / "fan.npz").read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_no_folder_is_left_when_the_block_raises(tmp_path: Path) -> None:
    def interrupted() -> None:
        with write_folder(tmp_path / "results") as folder:
            (folder / "half").write_bytes(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert not list(tmp_path.iterdir())


def test_what_is_there_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "old").touch()
    for taken in (tmp_path / "results", tmp_path / "results" / "old"):
        with pytest.raises(InputError, match="something at the output path") as caught, write_folder(taken):
            pass
        assert caught.value.got == str(taken)
    with pytest.raises(InputError, match="Cannot write new") as caught, write_folder(tmp_path / "missing" / "new"):
        pass
    assert caught.value.next_step.startswith("make the folder first")


def test_a_folder_is_made_with_those_above_it_or_the_option_is_named(tmp_path: Path) -> None:
    make_folder(tmp_path / "a" / "b", "the sound", "--keep-audio")
    make_folder(tmp_path / "a" / "b", "the sound", "--keep-audio")
    assert (tmp_path / "a" / "b").is_dir()
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(InputError, match="Cannot make the folder for the sound") as raised:
        make_folder(tmp_path / "file" / "b", "the sound", "--keep-audio")
    assert "--keep-audio" in raised.value.next_step


# What is there already


def write(path: Path, content: bytes = b"new") -> None:
    with write_whole(path) as file:
        file.write(content)


def test_a_symbolic_link_stays_one_and_what_it_leads_to_is_written(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "disk" / "file").write_bytes(b"old")
    (tmp_path / "link").symlink_to(Path("disk", "file"))
    (tmp_path / "further").symlink_to("link")
    (tmp_path / "dangling").symlink_to(Path("disk", "made later"))
    for name, target in (("further", "file"), ("dangling", "made later")):
        check_writable(tmp_path / name)
        write(tmp_path / name)
        assert (tmp_path / name).is_symlink()
        assert (tmp_path / "disk" / target).read_bytes() == b"new"
    assert sorted(path.name for path in tmp_path.rglob("*")) == [
        *("dangling", "disk", "file", "further", "link", "made later")
    ]


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o444, 0o777])
def test_permissions_stay(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    path.chmod(mode)
    write(path)
    assert path.read_bytes() == b"new"
    assert path.stat().st_mode & 0o7777 == mode


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root may give files away")
def test_the_owner_stays_where_that_is_permitted(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    path.chmod(0o664)
    os.chown(path, 1234, 2345)
    write(path)
    assert (path.stat().st_uid, path.stat().st_gid, path.stat().st_mode & 0o777) == (1234, 2345, 0o664)


GIVEN_UP = """
import os, sys
from pathlib import Path
from asd_edge.calibration.atomic_files import write_whole
os.setgroups([]); os.setgid(3456); os.setuid(3456)
with write_whole(Path(sys.argv[1])) as file:
    file.write(b"new")
"""


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root may give files away")
def test_where_the_group_cannot_stay_another_one_gets_no_more_than_others() -> None:
    with tempfile.TemporaryDirectory() as folder:  # pytest's own folders are not for other users
        path = Path(folder, "file")
        path.write_bytes(b"old")
        path.chmod(0o664)
        os.chown(path, 1234, 2345)
        Path(folder).chmod(0o777)
        done = subprocess.run([sys.executable, "-c", GIVEN_UP, str(path)], capture_output=True, text=True, check=False)
        if "Permission denied" in done.stderr:
            pytest.skip("another user may not read the installed program here")
        assert done.returncode == 0, done.stderr
        assert (path.stat().st_uid, path.stat().st_gid, path.stat().st_mode & 0o777) == (3456, 3456, 0o644)


def test_of_two_names_of_one_file_the_other_keeps_the_old_content(tmp_path: Path) -> None:
    """As backups by hard links need it."""
    path = tmp_path / "file"
    path.write_bytes(b"old")
    os.link(path, tmp_path / "backup")
    write(path)
    assert (path.read_bytes(), (tmp_path / "backup").read_bytes()) == (b"new", b"old")


def test_a_pipe_is_not_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for attempt in (check_writable, write):
        with pytest.raises(InputError, match="no file but a pipe"):
            attempt(tmp_path / "pipe")
    assert (tmp_path / "pipe").is_fifo()


@pytest.mark.parametrize(
    ("name", "why"), [("n" * 300, "too long"), ("loop", "symbolic links"), ("a\0b", "zero byte"), ("file/x", "Not a")]
)
def test_paths_that_lead_nowhere_are_explained(tmp_path: Path, name: str, why: str) -> None:
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "file").touch()
    for attempt in (check_writable, write):
        with pytest.raises(InputError, match=f"Cannot write .*{why}"):
            attempt(tmp_path / name)
