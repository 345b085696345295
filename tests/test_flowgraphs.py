# SPDX-License-Identifier: GPL-3.0-or-later
"""The flowgraphs compile and run as Companion makes them, without a screen."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from semcom_models.data import load_picture, sample_pictures, save_picture
from semcom_models.metrics import psnr_db

ROOT = Path(__file__).parents[1]
BLOCKS = ROOT / "gr-semcom" / "grc"
FLOWGRAPHS = sorted((ROOT / "flowgraphs").glob("*.grc"))

grcc = pytest.mark.skipif(shutil.which("grcc") is None, reason="GNU Radio Companion is missing")


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home directory in which Companion keeps its cache of block descriptions."""
    return tmp_path_factory.mktemp("home")


def compile_flowgraph(flowgraph: Path, folder: Path, home: Path) -> Path:
    environment = os.environ | {"GRC_BLOCKS_PATH": str(BLOCKS), "HOME": str(home)}
    environment.pop("DISPLAY", None)
    result = subprocess.run(
        ["grcc", "-o", str(folder), str(flowgraph)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    program = folder / f"{flowgraph.stem}.py"
    assert result.returncode == 0, result.stdout + result.stderr
    assert program.exists(), result.stdout + result.stderr
    return program


def run(program: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = dict(os.environ)
    environment.pop("DISPLAY", None)
    return subprocess.run(
        [sys.executable, str(program), *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def test_flowgraphs_ship() -> None:
    names = {path.stem for path in FLOWGRAPHS}
    assert names >= {"adjscc_loopback", "modem_1x1", "modem_2x2", "modem_2x2_pcen"}


@grcc
@pytest.mark.parametrize("flowgraph", FLOWGRAPHS, ids=lambda path: path.stem)
def test_every_flowgraph_compiles(flowgraph: Path, tmp_path: Path, home: Path) -> None:
    compile(compile_flowgraph(flowgraph, tmp_path, home).read_text(), flowgraph.stem, "exec")


@grcc
def test_pictures_cross_the_loopback_flowgraph(tmp_path: Path, home: Path) -> None:
    images, output = tmp_path / "images", tmp_path / "received"
    images.mkdir()
    originals = [pixels[:, 20:180, 50:250] for _, pixels in sample_pictures()]
    for number, pixels in enumerate(originals):
        save_picture(images / f"{number}.png", pixels)
    program = compile_flowgraph(ROOT / "flowgraphs" / "adjscc_loopback.grc", tmp_path, home)
    psnr = {}
    for snr_db in (0, 15):
        result = run(
            program,
            "--scheme=linear",
            f"--images={images}",
            f"--output={output}",
            f"--snr-db={snr_db}",
        )
        assert result.returncode == 0, result.stderr
        assert sorted(path.name for path in output.iterdir()) == [
            "0000.png",
            "0001.png",
            "0002.png",
        ]
        printed = re.findall(r"picture (\d): ([\d.]+) dB", result.stdout)
        received = [load_picture(path) for path in sorted(output.iterdir())]
        measured = [psnr_db(a, b) for a, b in zip(received, originals, strict=True)]
        assert [(int(n), float(v)) for n, v in printed] == [
            (n, round(v, 2)) for n, v in enumerate(measured)
        ]
        psnr[snr_db] = measured
    assert all(value > 18 for value in psnr[0])
    assert all(high - low > 5 for low, high in zip(psnr[0], psnr[15], strict=True))


@grcc
def test_the_loopback_flowgraph_runs_as_it_is_opened(tmp_path: Path, home: Path) -> None:
    """With the scheme that it names; pictures are given only because small ones are quick."""
    original = sample_pictures()[0][1][:, :160, :200]
    save_picture(tmp_path / "sent.png", original)
    program = compile_flowgraph(ROOT / "flowgraphs" / "adjscc_loopback.grc", tmp_path, home)
    result = run(program, f"--images={tmp_path / 'sent.png'}", f"--output={tmp_path / 'out'}")
    assert result.returncode == 0, result.stderr
    assert psnr_db(load_picture(tmp_path / "out" / "0000.png"), original) > 20


@grcc
def test_an_error_in_a_flowgraph_ends_it_and_comes_out(tmp_path: Path, home: Path) -> None:
    images = tmp_path / "images"
    images.mkdir()
    save_picture(images / "0.png", sample_pictures()[0][1][:, :64, :64])
    (images / "1.png").write_bytes(b"no picture")
    program = compile_flowgraph(ROOT / "flowgraphs" / "adjscc_loopback.grc", tmp_path, home)
    result = run(program, "--scheme=linear", f"--images={images}", f"--output={tmp_path / 'out'}")
    assert result.returncode == 1
    assert "1.png" in result.stderr.splitlines()[-1]


def small_pictures(folder: Path, count: int) -> str:
    """The same picture several times, so that only the channel makes a difference."""
    folder.mkdir()
    pixels = sample_pictures()[0][1][:, :160, :200]
    for number in range(count):
        save_picture(folder / f"{number}.png", pixels)
    return f"--images={folder}"


def printed_psnr_db(program: Path, *arguments: str) -> list[float]:
    result = run(program, *arguments)
    assert result.returncode == 0, result.stderr
    return [float(value) for value in re.findall(r"picture \d: ([\d.]+) dB", result.stdout)]


@grcc
@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("modem_1x1", []),
        ("modem_2x2_pcen", ["--modulation=QPSK"]),
        ("modem_2x2_pcen", ["--modulation=16QAM", "--snr-db=25"]),
    ],
)
def test_pictures_cross_the_modem(name: str, words: list[str], tmp_path: Path, home: Path) -> None:
    program = compile_flowgraph(ROOT / "flowgraphs" / f"{name}.grc", tmp_path, home)
    images, output = small_pictures(tmp_path / "images", 4), f"--output={tmp_path / 'out'}"
    received = printed_psnr_db(program, images, output, "--doppler-hz=0", *words)
    assert len(received) == 4
    assert min(received) > 18


@grcc
def test_the_modem_on_two_antennas_uses_the_channel_that_came_back(
    tmp_path: Path, home: Path
) -> None:
    """Of one stream on a flat channel, beamforming makes more than the first antenna alone."""
    program = compile_flowgraph(ROOT / "flowgraphs" / "modem_2x2.grc", tmp_path, home)
    images, output = small_pictures(tmp_path / "images", 5), f"--output={tmp_path / 'out'}"
    words = [images, output, "--streams=1", "--snr-db=5", "--doppler-hz=0"]
    words += ["--channel-name=rayleigh"]
    plain, formed = (printed_psnr_db(program, *words, f"--precoder={p}") for p in ("none", "svd"))
    assert formed[0] == pytest.approx(plain[0], abs=0.5)
    assert formed[-1] > plain[-1] + 1


@grcc
@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("rx_antennas: '2'", "rx_antennas: '1'", "two streams need two antennas at both ends"),
        ("csi_bits: '6'", "csi_bits: '1'", "choose 2 to 12 bits, or 0 for no quantiser"),
        ("value: svd", "value: zf", "precoder in"),
    ],
)
def test_parameters_out_of_range_are_named(
    old: str, new: str, said: str, tmp_path: Path, home: Path
) -> None:
    text = (ROOT / "flowgraphs" / "modem_2x2.grc").read_text()
    assert old in text
    flowgraph = tmp_path / "modem_2x2.grc"
    flowgraph.write_text(text.replace(old, new))
    environment = os.environ | {"GRC_BLOCKS_PATH": str(BLOCKS), "HOME": str(home)}
    result = subprocess.run(
        ["grcc", "-o", str(tmp_path), str(flowgraph)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert said in result.stdout + result.stderr


@pytest.mark.parametrize("path", sorted(BLOCKS.glob("*.block.yml")), ids=lambda path: path.stem)
def test_every_block_is_documented(path: Path) -> None:
    block = yaml.safe_load(path.read_text())
    assert path.name == f"{block['id']}.block.yml"
    assert block["category"] == "[SemCom]"
    documentation = block["documentation"]
    for parameter in block["parameters"]:
        label = parameter["label"].split(" (")[0]
        assert label in documentation, f"{label} is not documented"
    ports = block.get("inputs", []) + block.get("outputs", [])
    for port in ports:
        if port["domain"] == "message":
            assert f"{port['id']}:" in documentation, f"port {port['id']} is not documented"


def test_the_blocks_have_the_ports_that_companion_shows(tmp_path: Path) -> None:
    """A yml names each message port of its class, but for ports made for programs alone."""
    from gnuradio import semcom

    waveform = semcom.numerology("narrow")
    made = {
        "semcom_picture_source": semcom.PictureSource(),
        "semcom_encoder": semcom.Encoder("linear"),
        "semcom_framer": semcom.Framer(waveform),
        "semcom_loopback_channel": semcom.LoopbackChannel(semcom.ChannelConfig(), waveform),
        "semcom_receiver": semcom.Receiver(waveform),
        "semcom_frame_symbols": semcom.FrameSymbols(),
        "semcom_decoder": semcom.Decoder(),
        "semcom_picture_sink": semcom.PictureSink(tmp_path),
        "semcom_pcen_precoder": semcom.PcenPrecoder(),
        "semcom_pcen_combiner": semcom.PcenCombiner(),
    }
    import pmt

    described = {path.name.removesuffix(".block.yml"): path for path in BLOCKS.glob("*.yml")}
    assert set(made) == set(described)
    for name, block in made.items():
        entry = yaml.safe_load(described[name].read_text())
        for key, ports in (
            ("inputs", block.message_ports_in()),
            ("outputs", block.message_ports_out()),
        ):
            shown = {p["id"] for p in entry.get(key, []) if p["domain"] == "message"}
            assert shown == set(pmt.to_python(ports)) - {"system", "flush"}, (name, key)
