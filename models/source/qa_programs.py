# SPDX-License-Identifier: GPL-3.0-or-later
"""BPG and VVC with stand-ins: scripts that check how they are called, and code nothing.

The real programs are in no package index. What is tested is the command line, the files, and what
becomes of failures; not the codecs.
"""

import sys
from pathlib import Path

import numpy as np
import pytest

from semcom_models import source
from semcom_models.source import DamagedStream, NotInstalled, programs

RGB = np.random.default_rng(1).integers(0, 256, (10, 13, 3), dtype=np.uint8)
SMOOTH = np.stack([*np.mgrid[0:10, 0:13], np.full((10, 13), 99)], axis=2).astype(np.uint8)

BPGENC = """
if sys.argv[1:] == ["-h"]: print("BPG Image Encoder version 0.9.8"); sys.exit(1)
assert sys.argv[1:6] == ["-e", "x265", "-f", "444", "-q"], sys.argv
assert sys.argv[7:] == ["-o", "out.bpg", "in.png"], sys.argv
picture = Image.open("in.png")
body = picture.tobytes()
Path("out.bpg").write_bytes(b"%d %d " % picture.size + body + bytes(51 - int(sys.argv[6])))
"""
BPGDEC = """
assert sys.argv[1:] == ["-o", "out.ppm", "in.bpg"], sys.argv
width, height, body = Path("in.bpg").read_bytes().split(b" ", 2)
size = int(width), int(height)
Image.frombytes("RGB", size, body[: 3 * size[0] * size[1]]).save("out.ppm")
"""
VTM_ENCODER = """
if "--help" in sys.argv: print("VVCSoftware: VTM Encoder Version 23.4"); sys.exit(0)
options = dict(zip(sys.argv[1:17:2], sys.argv[2:17:2]))
assert Path(options["-c"]).name == "encoder_intra_vtm.cfg"
assert (options["-i"], options["-b"], options["-f"]) == ("in.yuv", "out.vvc", "1")
assert sys.argv[17:] == ["--InputBitDepth=8", "--InputChromaFormat=444"]
yuv = Path("in.yuv").read_bytes()
assert len(yuv) == 3 * int(options["-wdt"]) * int(options["-hgt"])
Path("out.vvc").write_bytes(bytes([int(options["-q"])]) + yuv)
"""
VTM_DECODER = """
assert sys.argv[1:] == ["-b", "in.vvc", "-o", "out.yuv", "-d", "8"]
Path("out.yuv").write_bytes(Path("in.vvc").read_bytes()[1:])
"""
VVENCAPP = """
if "--help" in sys.argv: print("vvencapp: Fraunhofer VVC Encoder ver. 1.13.1"); sys.exit(0)
options = dict(zip(sys.argv[1::2], sys.argv[2::2]))
assert (options["-i"], options["-o"], options["-c"]) == ("in.yuv", "out.vvc", "yuv420")
assert (options["--frames"], options["--intraperiod"], options["--qpa"]) == ("1", "1", "0")
width, height = map(int, options["-s"].split("x"))
yuv = Path("in.yuv").read_bytes()
assert len(yuv) == 3 * width * height // 2
Path("out.vvc").write_bytes(bytes([int(options["-q"])]) + yuv)
"""
VVDECAPP = VTM_DECODER.replace('"8"]', '"8", "-t", "1"]')


@pytest.fixture
def on_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Puts stand-ins on an otherwise empty PATH, and temporary files where they can be counted."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (tmp_path / "temporary").mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))

    def put(**scripts: str) -> Path:
        for name, body in scripts.items():
            head = f"#!{sys.executable}\nimport sys, time\nfrom pathlib import Path\n"
            (folder / name).write_text(f"{head}from PIL import Image\n{body}")
            (folder / name).chmod(0o755)
        return tmp_path

    yield put
    assert list((tmp_path / "temporary").iterdir()) == []


@pytest.mark.parametrize("name", ["bpg", "vvc"])
@pytest.mark.usefixtures("on_path")
def test_programs_that_are_not_there(name: str) -> None:
    codec = source.get(name)
    assert not codec.available()
    for use in (
        lambda: codec.encode(RGB, codec.qualities[0]),
        lambda: codec.decode(b"", 1, 1),
        codec.version,
    ):
        with pytest.raises(NotInstalled, match="not installed: "):
            use()


def test_bpg(on_path) -> None:
    on_path(bpgenc=BPGENC)
    codec = source.get("bpg")
    assert not codec.available()  # no decoder
    on_path(bpgdec=BPGDEC)
    assert codec.available()
    assert codec.version() == "BPG Image Encoder version 0.9.8"
    encoded = source.best_within(codec, RGB, 3 * 10 * 13 + 26)
    assert encoded is not None
    assert encoded.quality == 31
    assert np.array_equal(codec.decode(encoded.stream, 10, 13), RGB)
    with pytest.raises(DamagedStream, match="13x10, not 10x13"):
        codec.decode(encoded.stream, 13, 10)
    with pytest.raises(DamagedStream, match="larger picture"):
        codec.decode(encoded.stream, 2, 2)


def test_vtm_is_preferred_and_codes_444(on_path) -> None:
    folder = on_path(vvencapp=VVENCAPP, vvdecapp=VVDECAPP)
    on_path(EncoderApp=VTM_ENCODER, DecoderAppStatic=VTM_DECODER)
    codec = source.get("vvc")
    assert "Fraunhofer" in codec.version()  # VTM's configuration is not there
    (folder / "cfg").mkdir()
    (folder / "cfg" / "encoder_intra_vtm.cfg").touch()
    assert codec.version() == "VVCSoftware: VTM Encoder Version 23.4"
    stream = codec.encode(RGB, 37)
    assert len(stream) == 1 + 3 * 16 * 16
    assert stream[0] == 37
    assert np.abs(codec.decode(stream, 10, 13).astype(int) - RGB).max() <= 2
    with pytest.raises(DamagedStream, match="larger picture"):
        codec.decode(stream, 8, 8)
    with pytest.raises(DamagedStream, match="smaller picture"):
        codec.decode(stream, 30, 30)


def test_vvenc_codes_420(on_path) -> None:
    on_path(vvencapp=VVENCAPP, vvdecapp=VVDECAPP)
    codec = source.get("vvc")
    assert codec.available()
    stream = codec.encode(SMOOTH, 20)
    assert len(stream) == 1 + 3 * 16 * 16 // 2
    assert np.abs(codec.decode(stream, 10, 13).astype(int) - SMOOTH).max() <= 3


@pytest.mark.parametrize(
    ("failure", "message"),
    [
        ("print('one', file=sys.stderr); sys.exit('two')", "failed: two"),
        ("sys.exit(3)", "exit status 3"),
        ("pass", "out[.]"),
        ("time.sleep(60)", "timed out"),
        ("import os; os.abort()", "SIGABRT"),
    ],
)
def test_failures_are_told(
    on_path, monkeypatch: pytest.MonkeyPatch, failure: str, message: str
) -> None:
    monkeypatch.setattr(programs, "ENCODER_TIMEOUT_S", 1.0)
    monkeypatch.setattr(programs, "DECODER_TIMEOUT_S", 1.0)
    on_path(bpgenc=failure, bpgdec=failure)
    codec = source.get("bpg")
    with pytest.raises(RuntimeError, match=f"bpgenc failed: .*{message}|bpgenc {message}"):
        codec.encode(RGB, 30)
    with pytest.raises(DamagedStream, match=f"bpgdec failed: .*{message}|bpgdec {message}"):
        codec.decode(b"abc", 10, 13)
