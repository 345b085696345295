# SPDX-License-Identifier: GPL-3.0-or-later
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from semcom_models import source
from semcom_models.source import DamagedStream, NotInstalled
from semcom_models.source.jpeg import JPEGQuality
from semcom_models.source.sandbox import DecoderProcess

TEST_WORKER = """
import ctypes, os, time
import numpy as np
from semcom_models.source.base import NotInstalled
from semcom_models.source.worker import serve

class Decoder:
    def __init__(self, name):
        self.name = name

    def decode(self, stream, height, width):
        if self.name == "crash":
            ctypes.string_at(0)
        elif self.name == "hang":
            open(stream.decode() or os.devnull, "w").close()
            time.sleep(3600)
        elif self.name == "spin":
            while True: pass
        elif self.name == "memory":
            return np.ones((1 << 36,), np.uint8)
        elif self.name == "raise":
            raise KeyError("two\\nlines")
        elif self.name == "exit":
            os._exit(3)
        elif self.name == "missing":
            raise NotInstalled("not installed: a decoder")
        elif self.name == "print":
            os.write(1, b"what libraries say")
        elif self.name == "large":
            height += 1
        elif self.name == "process":
            return np.full((1, 1, 3), os.getpid() % 251, np.uint8)
        return np.full((height, width, 3), len(stream) % 256, np.uint8)

serve(Decoder)
"""


@pytest.fixture(scope="module")
def decoders(tmp_path_factory: pytest.TempPathFactory):
    script = tmp_path_factory.mktemp("worker") / "worker.py"
    script.write_text(TEST_WORKER)
    process = DecoderProcess((sys.executable, str(script)))
    yield process
    process.close()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("crash", "crash decoder crashed .SIGSEGV"),
        ("exit", "exit decoder crashed .exit status 3"),
        ("hang", "hang decoder was stopped after 0.5 s"),
        ("spin", "spin decoder was stopped after 0.5 s"),
        ("memory", "out of memory"),
        ("raise", "the decoder failed: 'two.*lines"),
        ("large", "gave no picture: 75 bytes are none of 5x4"),
    ],
)
def test_whatever_a_decoder_does_is_damage(
    decoders: DecoderProcess, name: str, message: str
) -> None:
    started = time.monotonic()
    with pytest.raises(DamagedStream, match=message):
        decoders.decode(name, os.devnull.encode(), 4, 5, 0.5)
    assert time.monotonic() - started < 30
    assert (decoders.decode("good", b"abc", 4, 5, 30.0) == np.full((4, 5, 3), 3)).all()


def test_what_a_decoder_prints_is_no_answer(decoders: DecoderProcess) -> None:
    assert decoders.decode("print", b"abcd", 2, 1, 30.0).tolist() == [[[4] * 3]] * 2


def test_a_missing_program_is_told_as_such(decoders: DecoderProcess) -> None:
    with pytest.raises(NotInstalled, match="not installed: a decoder"):
        decoders.decode("missing", b"", 1, 1, 30.0)


def test_one_process_serves_until_it_fails(decoders: DecoderProcess) -> None:
    first = decoders.decode("process", b"", 1, 1, 30.0)
    assert (decoders.decode("process", b"", 1, 1, 30.0) == first).all()
    with pytest.raises(DamagedStream):
        decoders.decode("exit", b"", 1, 1, 30.0)
    assert (decoders.decode("process", b"", 1, 1, 30.0) != first).all()


def test_threads_get_their_own_pictures(decoders: DecoderProcess) -> None:
    wrong = []

    def decode(length: int) -> None:
        for _ in range(10):
            picture = decoders.decode("good", bytes(length), 30, 40 + length, 30.0)
            wrong.extend([length] if picture.shape[1] != 40 + length else [])
            wrong.extend(set(picture.ravel().tolist()) - {length})

    threads = [threading.Thread(target=decode, args=(length,)) for length in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_process_that_cannot_start_is_told() -> None:
    broken = DecoderProcess((sys.executable, "-c", "pass"))
    with pytest.raises(RuntimeError, match="the process that decodes pictures did not start"):
        broken.decode("jpeg", b"", 1, 1, 1.0)


def test_dies_with_its_parent(tmp_path: Path) -> None:
    """Killed without a chance to clean up, and in the middle of a decoding that hangs."""
    (tmp_path / "worker.py").write_text(TEST_WORKER)
    hanging = tmp_path / "hanging"
    parent = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys\n"
            "from semcom_models.source.sandbox import DecoderProcess\n"
            f"p = DecoderProcess((sys.executable, {str(tmp_path / 'worker.py')!r}))\n"
            "p.decode('good', b'', 1, 1, 30.0)\n"
            "print(p._process.pid, flush=True)\n"
            f"p.decode('hang', {str(hanging)!r}.encode(), 1, 1, 1.0)\n",
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert parent.stdout is not None
    worker = int(parent.stdout.readline())
    while not hanging.exists():
        time.sleep(0.01)
    parent.kill()
    parent.communicate()
    deadline = time.monotonic() + 30
    while Path(f"/proc/{worker}").exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not Path(f"/proc/{worker}").exists()


def test_a_fork_starts_its_own() -> None:
    stream = source.get("jpeg").encode(np.zeros((8, 8, 3), np.uint8), JPEGQuality("4:4:4", 90))
    source.decode_safely("jpeg", stream, 8, 8)
    child = os.fork()
    if child == 0:
        try:
            good = source.decode_safely("jpeg", stream, 8, 8).shape == (8, 8, 3)
        finally:
            os._exit(0 if good else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert source.decode_safely("jpeg", stream, 8, 8).shape == (8, 8, 3)


def test_the_worker_imports_no_pytorch() -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys; import semcom_models.source.worker; print('torch' in sys.modules)",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "False"
