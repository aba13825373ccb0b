"""One writer at a time, by whichever name a bank is reached, and nothing of anybody else's is touched for it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from asd_edge.calibration.bank.bank_lock import locked_bank
from asd_edge.calibration.errors import BankError

HOLD = """
import sys
import tempfile
from pathlib import Path
from asd_edge.calibration.bank.bank_lock import locked_bank
with locked_bank(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_symbolic_links_to_a_bank_share_its_lock(tmp_path: Path) -> None:
    (tmp_path / "banks").mkdir()
    bank = tmp_path / "banks" / "pump.npz"
    (tmp_path / "link.npz").symlink_to(bank)
    (tmp_path / "further.npz").symlink_to("link.npz")
    command = [sys.executable, "-c", HOLD, str(tmp_path / "further.npz")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holding:
        assert holding.stdout is not None
        assert holding.stdout.readline() == "held\n"
        for name in (bank, tmp_path / "link.npz", tmp_path / "further.npz"):
            with pytest.raises(BankError, match="Another process is enrolling"), locked_bank(name):
                pytest.fail("two at once")
        with locked_bank(tmp_path / "banks" / "other.npz"):
            pass
        holding.communicate("")
    assert holding.returncode == 0
    with locked_bank(bank):
        pass
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["banks", "further.npz", "link.npz"]


def test_nothing_is_left_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), locked_bank(tmp_path / "pump.npz"):
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []


def test_a_symbolic_link_in_the_place_of_the_lock_is_not_followed(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("all there")
    (tmp_path / ".pump.npz.lock").symlink_to(precious)
    with pytest.raises(BankError, match="cannot be locked") as raised, locked_bank(tmp_path / "pump.npz"):
        pytest.fail("followed")
    assert raised.value.got == str(tmp_path / ".pump.npz.lock")
    assert precious.read_text() == "all there"
    assert (tmp_path / ".pump.npz.lock").is_symlink()


def test_whatever_else_lies_there_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".folder.npz.lock").mkdir()
    with socket.socket(socket.AF_UNIX) as listening:
        monkeypatch.chdir(tmp_path)  # the name of a socket has room for about a hundred characters
        listening.bind(".socket.npz.lock")
        for name in ("folder", "socket"):
            with pytest.raises(BankError, match="cannot be locked"), locked_bank(tmp_path / f"{name}.npz"):
                pytest.fail("locked")
    with pytest.raises(BankError, match="cannot be locked"), locked_bank(tmp_path / "\0"):
        pytest.fail("locked")


AS_ANOTHER = """
import os, sys
from pathlib import Path
from asd_edge.calibration.bank.bank_lock import locked_bank
from asd_edge.calibration.errors import BankError
import filelock  # before: another user may not read the installed packages
os.setgroups([]); os.setgid(3456); os.setuid(3456)
try:
    with locked_bank(Path(sys.argv[1])):
        print("locked")
except BankError as error:
    print(error)
"""


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root becomes another user")
def test_a_lock_that_another_user_left_is_told() -> None:
    with tempfile.TemporaryDirectory() as folder:  # pytest's own folders are not for other users
        Path(folder).chmod(0o777)
        lock = Path(folder, ".pump.npz.lock")
        lock.touch(0o600)
        command = [sys.executable, "-c", AS_ANOTHER, str(Path(folder, "pump.npz"))]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        assert "The bank cannot be locked: Permission denied" in done.stdout
        assert str(lock) in done.stdout
        assert lock.exists()
