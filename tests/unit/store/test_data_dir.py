"""The lock on `DATA_DIR`."""

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from open_agent.core.errors import Conflict, OpenAgentError, Unavailable
from open_agent.store.data_dir import DataDir

HOLD = """
import sys
from pathlib import Path
from open_agent.store.data_dir import DataDir
held = DataDir.open(Path(sys.argv[1]), is_shared=sys.argv[2] == "shared")
print(held.slot, flush=True)
sys.stdin.read()
"""


def hold(folder: Path, how: str) -> "subprocess.Popen[bytes]":
    """Another process that holds the directory."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder), how],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stdout.readline()
    return process


def end(process: "subprocess.Popen[bytes]") -> None:
    process.send_signal(signal.SIGKILL)
    process.communicate()


def refusal(folder: Path, *, is_shared: bool = False) -> OpenAgentError:
    with pytest.raises(OpenAgentError) as refused:
        DataDir.open(folder, is_shared=is_shared)
    return refused.value


def test_a_second_server_is_refused_by_the_pid_of_the_first(tmp_path: Path) -> None:
    other = hold(tmp_path, "alone")
    refused = refusal(tmp_path)
    end(other)

    assert isinstance(refused, Conflict)
    assert refused.code == "data_dir.in_use"
    assert refused.details == {"pid": other.pid}
    assert str(other.pid) in refused.message


def test_a_killed_server_leaves_no_lock_behind(tmp_path: Path) -> None:
    end(hold(tmp_path, "alone"))

    DataDir.open(tmp_path, is_shared=False).close()


def test_the_same_process_cannot_open_it_twice_either(tmp_path: Path) -> None:
    first = DataDir.open(tmp_path, is_shared=False)
    assert refusal(tmp_path).details == {"pid": os.getpid()}
    first.close()
    DataDir.open(tmp_path, is_shared=False).close()


def test_those_who_share_it_get_a_slot_each(tmp_path: Path) -> None:
    others = [hold(tmp_path, "shared") for _ in range(2)]
    mine = DataDir.open(tmp_path, is_shared=True)
    assert mine.slot == 2
    mine.close()
    end(others[0])
    again = DataDir.open(tmp_path, is_shared=True)
    assert again.slot == 0
    again.close()
    end(others[1])


def test_sharing_and_having_it_alone_exclude_each_other(tmp_path: Path) -> None:
    DataDir.open(tmp_path, is_shared=False).close()
    shared = DataDir.open(tmp_path, is_shared=True)
    refused = refusal(tmp_path)
    assert (refused.code, refused.details) == ("data_dir.in_use", {})
    shared.close()
    alone = DataDir.open(tmp_path, is_shared=False)
    assert refusal(tmp_path, is_shared=True).code == "data_dir.in_use"
    alone.close()


def test_it_is_made_private_and_an_existing_one_keeps_its_mode(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir(mode=0o750)
    for name, mode in (("new", 0o700), ("mine", 0o750)):
        DataDir.open(tmp_path / name, is_shared=False).close()
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == mode


def test_it_keeps_one_host_id_for_ever(tmp_path: Path) -> None:
    ids: set[str] = set()
    for is_shared in (False, True):
        opened = DataDir.open(tmp_path, is_shared=is_shared)
        ids.add(opened.host_id)
        opened.close()

    assert len(ids) == 1
    assert [path.name for path in tmp_path.glob("host_id*")] == ["host_id"]


def test_a_damaged_host_id_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "host_id").write_text("???")
    opened = DataDir.open(tmp_path, is_shared=False)
    with pytest.raises(Unavailable) as refused:
        _ = opened.host_id
    opened.close()

    assert refused.value.code == "data_dir.damaged"
    assert (tmp_path / "host_id").read_text() == "???"


def test_a_place_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    refused = refusal(tmp_path / "file" / "data")
    assert isinstance(refused, Unavailable)
    assert refused.code == "data_dir.unusable"
