# SPDX-License-Identifier: GPL-3.0-or-later
"""The flowgraphs compile and run as Companion makes them, without a screen."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from semcom_models.data import load_picture, sample_pictures, save_picture
from semcom_models.metrics import psnr_db
from semcom_virtual.processes import VirtualRadios

ROOT = Path(__file__).parents[1]
BLOCKS = ROOT / "gr-semcom" / "grc"
FLOWGRAPHS = sorted((ROOT / "flowgraphs").glob("*.grc"))

grcc = pytest.mark.skipif(shutil.which("grcc") is None, reason="GNU Radio Companion is missing")


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home directory in which Companion keeps its cache of block descriptions."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="session")
def program(home: Path) -> Callable[[str], Path]:
    """Compiles a flowgraph, once."""

    def compiled(name: str) -> Path:
        made = home / f"{name}.py"
        if not made.exists():
            compile_flowgraph(ROOT / "flowgraphs" / f"{name}.grc", home)
        return made

    return compiled


def without_screen() -> dict[str, str]:
    environment = os.environ | {"QT_QPA_PLATFORM": "offscreen"}
    environment.pop("DISPLAY", None)
    return environment


def compile_flowgraph(flowgraph: Path, home: Path) -> None:
    result = subprocess.run(
        ["grcc", "-o", str(home), str(flowgraph)],
        env=without_screen() | {"GRC_BLOCKS_PATH": str(BLOCKS), "HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert (home / f"{flowgraph.stem}.py").exists(), result.stdout + result.stderr


def run(program: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(program), *arguments],
        env=without_screen(),
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def test_flowgraphs_ship() -> None:
    assert {path.stem for path in FLOWGRAPHS} == {
        "adjscc_loopback",
        "closed_loop",
        "modem_1x1",
        "modem_2x2",
        "modem_2x2_pcen",
        "pluto",
        "receive_half",
        "receiver_view",
        "transmit_half",
        "usrp",
    }


@grcc
@pytest.mark.parametrize("flowgraph", FLOWGRAPHS, ids=lambda path: path.stem)
def test_every_flowgraph_compiles(flowgraph: Path, program: Callable[[str], Path]) -> None:
    compile(program(flowgraph.stem).read_text(), flowgraph.stem, "exec")


@grcc
def test_pictures_cross_the_loopback_flowgraph(
    tmp_path: Path, program: Callable[[str], Path]
) -> None:
    images, output = tmp_path / "images", tmp_path / "received"
    images.mkdir()
    originals = [pixels[:, 20:180, 50:250] for _, pixels in sample_pictures()]
    for number, pixels in enumerate(originals):
        save_picture(images / f"{number}.png", pixels)
    psnr = {}
    for snr_db in (0, 15):
        result = run(
            program("adjscc_loopback"),
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
def test_the_loopback_flowgraph_runs_as_it_is_opened(
    tmp_path: Path, program: Callable[[str], Path]
) -> None:
    """With the scheme that it names; pictures are given only because small ones are quick."""
    original = sample_pictures()[0][1][:, :160, :200]
    save_picture(tmp_path / "sent.png", original)
    result = run(
        program("adjscc_loopback"),
        f"--images={tmp_path / 'sent.png'}",
        f"--output={tmp_path / 'out'}",
    )
    assert result.returncode == 0, result.stderr
    assert psnr_db(load_picture(tmp_path / "out" / "0000.png"), original) > 20


@grcc
def test_an_error_in_a_flowgraph_ends_it_and_comes_out(
    tmp_path: Path, program: Callable[[str], Path]
) -> None:
    images = tmp_path / "images"
    images.mkdir()
    save_picture(images / "0.png", sample_pictures()[0][1][:, :64, :64])
    (images / "1.png").write_bytes(b"no picture")
    words = [f"--images={images}", f"--output={tmp_path / 'out'}"]
    result = run(program("adjscc_loopback"), "--scheme=linear", *words)
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
def test_pictures_cross_the_modem(
    name: str, words: list[str], tmp_path: Path, program: Callable[[str], Path]
) -> None:
    images, output = small_pictures(tmp_path / "images", 4), f"--output={tmp_path / 'out'}"
    received = printed_psnr_db(program(name), images, output, "--doppler-hz=0", *words)
    assert len(received) == 4
    assert min(received) > 18


@grcc
def test_the_modem_on_two_antennas_uses_the_channel_that_came_back(
    tmp_path: Path, program: Callable[[str], Path]
) -> None:
    """Of one stream on a flat channel, beamforming makes more than the first antenna alone."""
    images, output = small_pictures(tmp_path / "images", 5), f"--output={tmp_path / 'out'}"
    words = [images, output, "--streams=1", "--snr-db=5", "--doppler-hz=0"]
    words += ["--channel-name=rayleigh"]
    plain, formed = (
        printed_psnr_db(program("modem_2x2"), *words, f"--precoder={p}") for p in ("none", "svd")
    )
    assert formed[0] == pytest.approx(plain[0], abs=0.5)
    assert formed[-1] > plain[-1] + 1


def free_endpoint() -> str:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"tcp://127.0.0.1:{free.getsockname()[1]}"


@grcc
def test_two_programs_send_pictures_and_feed_back_the_snr(
    tmp_path: Path, program: Callable[[str], Path]
) -> None:
    samples, feedback = f"--samples={free_endpoint()}", f"--feedback={free_endpoint()}"
    images, output = small_pictures(tmp_path / "images", 1), tmp_path / "out"
    transmit = [program("transmit_half"), samples, feedback, images, "--scheme=linear"]
    transmit += ["--snr-db=4", "--repeat=1"]
    receive = [program("receive_half"), samples, feedback, f"--output={output}"]
    halves = [
        subprocess.Popen(
            [sys.executable, "-u", *map(str, words)],
            env=without_screen(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for words in (transmit, receive)
    ]
    try:
        # What is on its way between the two is ten pictures at most: then feedback is in force.
        deadline = time.monotonic() + 100
        while len(list(output.glob("*.png"))) < 20 and time.monotonic() < deadline:
            assert all(half.poll() is None for half in halves)
            time.sleep(0.1)
        for half in halves:
            half.send_signal(signal.SIGINT)
        (transmitted, transmit_error), (received, receive_error) = (
            half.communicate(timeout=60) for half in halves
        )
    finally:
        for half in halves:
            half.kill()
    assert [half.returncode for half in halves] == [0, 0], transmit_error + receive_error
    assert int(re.findall(r"pictures received: (\d+)", received)[0]) >= 20
    told = re.search(r"reports used: (\d+); SNR for the next picture: ([-\d.]+) dB", transmitted)
    assert told is not None
    assert int(told[1]) >= 2
    assert float(told[2]) == pytest.approx(4, abs=0.7)
    original = sample_pictures()[0][1][:, :160, :200]
    assert min(psnr_db(load_picture(path), original) for path in output.glob("*.png")) > 18


@grcc
def test_bursts_cross_a_virtual_usrp(tmp_path: Path, program: Callable[[str], Path]) -> None:
    output = tmp_path / "out"
    options = [small_pictures(tmp_path / "images", 3), f"--output={output}", "--scheme=linear"]
    compiled = program("usrp")
    with VirtualRadios("--usrp", 1) as radios:
        gains = ["--gain-tx-db=70", "--gain-rx-db=60", f"--args={radios.usrp_args}"]
        refused = run(compiled, *options, *gains)
        assert refused.returncode != 0
        assert "would radiate at 2450 MHz" in refused.stderr
        flowgraph = subprocess.Popen(
            [sys.executable, "-u", compiled, *options, *gains, "--cabled-db=60"],
            env=without_screen() | radios.usrp_environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            deadline = time.monotonic() + 60
            while not (output / "0002.png").exists() and time.monotonic() < deadline:
                assert flowgraph.poll() is None
                time.sleep(0.05)
            flowgraph.send_signal(signal.SIGINT)
            printed, errors = flowgraph.communicate(timeout=30)
        finally:
            flowgraph.kill()
        assert radios.status()["usrp0"]["tx_gain_db"] == [0, 0]
    assert flowgraph.returncode == 0, errors
    assert int(re.findall(r"pictures received: (\d+)", printed)[0]) >= 2
    original = sample_pictures()[0][1][:, :160, :200]
    assert psnr_db(load_picture(output / "0002.png"), original) > 25


@grcc
def test_a_picture_crosses_a_virtual_pluto(tmp_path: Path, program: Callable[[str], Path]) -> None:
    images, output = small_pictures(tmp_path / "images", 1), tmp_path / "out"
    compiled = program("pluto")
    with VirtualRadios("--pluto", 1) as radios:
        words = [f"--uri={radios.pluto_uri}", images, f"--output={output}", "--scheme=linear"]
        refused = run(compiled, *words)
        assert refused.returncode != 0
        assert "would radiate at 2450 MHz" in refused.stderr
        words += ["--cabled-db=60", "--attenuation-db=20"]
        words = [sys.executable, "-u", str(compiled), *words]
        with subprocess.Popen(
            words, env=without_screen(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as running:
            deadline = time.monotonic() + 100
            while not (output / "0000.png").exists() and time.monotonic() < deadline:
                assert running.poll() is None
                time.sleep(0.1)
            running.send_signal(signal.SIGINT)
            said, error = running.communicate(timeout=60)
        assert running.returncode == 0, error
        assert "pictures received: 1" in said
        carrier = ["-o", "-c", "ad9361-phy", "altvoltage1", "powerdown"]
        asked = ["iio_attr", "-u", radios.pluto_uri, *carrier]
        assert subprocess.run(asked, capture_output=True, timeout=20).stdout == b"1\n"
    original = sample_pictures()[0][1][:, :160, :200]
    assert psnr_db(load_picture(output / "0000.png"), original) > 25


CLOSED_LOOP = """
import sys, time
sys.path.insert(0, sys.argv.pop(1))
from PyQt5 import Qt
application = Qt.QApplication(sys.argv[:1])
import closed_loop
from gnuradio.semcom import check

images, endpoint = sys.argv[1:]
flow = closed_loop.closed_loop(images=images, scheme="linear", feedback=endpoint)
closed_loop.snippets_main_after_init(flow)
encoder = flow.transmitter.encoder

def until_known(snr_db):
    begun = encoder.feedback.used
    deadline = time.monotonic() + 60
    while encoder.feedback.used == begun or abs(encoder.channel.snr_db - snr_db) > 1:
        assert time.monotonic() < deadline, encoder.channel
        check(flow)
        application.processEvents()
        time.sleep(0.01)

flow.start()
flow.show()
until_known(15)
flow._snr_db_win.d_widget.setValue(5)
until_known(5)
assert not flow.picture_view.qwidget().image.isNull()
flow.close()
print("closed")
"""


@grcc
def test_the_closed_loop_follows_the_slider(tmp_path: Path, program: Callable[[str], Path]) -> None:
    folder = program("closed_loop").parent
    (tmp_path / "drive.py").write_text(CLOSED_LOOP)
    small_pictures(tmp_path / "images", 2)
    result = run(tmp_path / "drive.py", str(folder), str(tmp_path / "images"), free_endpoint())
    assert result.returncode == 0, result.stderr
    assert result.stdout.endswith("closed\n")


@grcc
def test_the_view_of_a_receiver_is_drawn_as_a_picture_appears(tmp_path: Path) -> None:
    save_picture(tmp_path / "sent.png", sample_pictures()[0][1][:, :256, :384])
    drawn = tmp_path / "drawn.png"
    words = ["--scheme=linear", f"--images={tmp_path / 'sent.png'}"]
    result = run(ROOT / "scripts" / "receiver_view.py", str(drawn), *words)
    assert result.returncode == 0, result.stderr
    window = load_picture(drawn)
    assert window.shape == (3, 800, 1200)
    # A picture, left, is darker than the window; the plots, right, are white with a blue line.
    assert (window[:, :, :600] < 0.7).all(0).float().mean() > 0.2
    assert ((window == 1).all(0)[:, 600:]).float().mean() > 0.2
    assert ((window[2] > window[0] + 0.5)[:, 600:]).float().mean() > 0.001


@pytest.fixture(scope="session")
def platform(home: Path) -> Any:
    """Companion, without its window."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRC_BLOCKS_PATH", str(BLOCKS))
        patch.setenv("HOME", str(home))
        from gnuradio import gr
        from gnuradio.grc.core.platform import Platform

        parts = gr.major_version(), gr.api_version(), gr.minor_version()
        made = Platform(version=gr.version(), version_parts=parts, prefs=gr.prefs())
        made.build_library()
    return made


OUT_OF_RANGE = [
    ("semcom_picture_source", {"window": "-1"}, "choose 1 picture ahead or more"),
    ("semcom_picture_source", {"patience_s": "0"}, "choose a patience above 0 s"),
    ("semcom_picture_source", {"window": "0", "repeat": "True"}, "repeat need 1 picture"),
    ("semcom_encoder", {"snr_db": "200"}, "choose an SNR from -30 to 60 dB"),
    ("semcom_encoder", {"cbr": "-1"}, "choose a CBR from 0 to 4"),
    ("semcom_encoder", {"options": "mcs"}, "write options as name, colon, value"),
    ("semcom_encoder", {"valid_pictures": "0"}, "valid for 1 picture or more"),
    ("semcom_burst_timer", {"rate_hz": "0"}, "choose a sample rate above 0"),
    ("semcom_burst_timer", {"lead_s": "2"}, "choose a lead above 0 s"),
    ("semcom_burst_timer", {"backoff_db": "-1"}, "choose a backoff of 0 to 40 dB"),
    ("semcom_framer", {"clipping_db": "99"}, "choose a clipping of -10 to 60 dB"),
    ("semcom_framer", {"tx_antennas": "3"}, "choose 1 or 2 transmit antennas"),
    ("semcom_framer", {"streams": "2"}, "two streams need two antennas at both ends"),
    ("semcom_framer", {"precoder": "svd"}, "a precoder needs two transmit antennas"),
    ("semcom_framer", {"precoder": "zf"}, "precoders are none, svd and pcen"),
    ("semcom_semantic_transmitter", {"snr_db": "200"}, "choose an SNR from -30 to 60 dB"),
    ("semcom_semantic_transmitter", {"streams": "2"}, "two streams need two antennas"),
    ("semcom_semantic_receiver", {"csi_bits": "1"}, "choose 2 to 12 bits, or 0"),
    ("semcom_receiver", {"csi_bits": "1"}, "choose 2 to 12 bits, or 0 for no quantiser"),
    ("semcom_receiver", {"rx_antennas": "4"}, "choose 1 or 2 receive antennas"),
    ("semcom_loopback_channel", {"snr_db": "1e3"}, "choose an SNR from -60 to 200 dB"),
    ("semcom_loopback_channel", {"cfo_hz": "1e8"}, "choose a carrier offset within"),
    ("semcom_loopback_channel", {"sco_ppm": "1e4"}, "choose a clock offset"),
    ("semcom_loopback_channel", {"delay": "-1"}, "the delay cannot be negative"),
    ("semcom_loopback_channel", {"doppler_hz": "-1"}, "choose a Doppler shift"),
    ("semcom_loopback_channel", {"channel": "rician", "taps": "[(0, 1)]"}, "echoes go with"),
    ("semcom_feedback_sink", {"endpoint": "tcp://192.0.2.1:5557"}, "an endpoint on this machine"),
    ("semcom_feedback_source", {"endpoint": "tcp://*:5557"}, "an endpoint on this machine"),
    ("semcom_feedback_sink", {"endpoint": "inproc://feedback"}, "an endpoint on this machine"),
    ("semcom_feedback_source", {"endpoint": "inproc://feedback"}, "an endpoint on this machine"),
    ("semcom_sample_sink", {"endpoint": "tcp://192.0.2.1:5571"}, "an endpoint on this machine"),
    ("semcom_sample_source", {"endpoint": "tcp://*:5571"}, "an endpoint on this machine"),
    ("semcom_sample_sink", {"sample_rate": "0"}, "the sample rate is positive"),
    ("semcom_sample_source", {"antennas": "3"}, "choose 1 or 2 antennas"),
    ("semcom_arriving_pictures", {"rate_hz": "0"}, "choose more than 0 pictures per second"),
    ("semcom_frame_history", {"span_s": "0"}, "choose a span above 0 s"),
    ("semcom_frame_history", {"points": "1"}, "choose 2 points or more"),
    ("semcom_picture_sink", {"folder": "''"}, "name a folder"),
    ("semcom_pcen_precoder", {"snr_db": "1e3"}, "choose an SNR from -100 to 100 dB"),
    ("semcom_pcen_combiner", {"snr_db": "1e3"}, "choose an SNR from -100 to 100 dB"),
]


@grcc
@pytest.mark.parametrize(("name", "values", "said"), OUT_OF_RANGE)
def test_parameters_out_of_range_are_told_in_words(
    name: str, values: dict[str, str], said: str, platform: Any
) -> None:
    flowgraph = platform.make_flow_graph()
    block = flowgraph.new_block(name)
    flowgraph.rewrite()
    flowgraph.validate()
    assert not any("Assertion" in error for error in block.get_error_messages())
    for key, value in values.items():
        block.params[key].set_value(value)
    flowgraph.rewrite()
    flowgraph.validate()
    errors = [error for error in block.get_error_messages() if "Assertion" in error]
    assert any(said in error for error in errors), errors
    assert not any("did not evaluate" in error for error in errors)


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


def message_ports(block: Any) -> tuple[Callable[[set[str]], set[str]], ...]:
    """Of a block, or of those asked for which a hierarchical one has: it has no list of them."""
    import pmt
    from gnuradio import gr

    def listed(ports: Any) -> Callable[[set[str]], set[str]]:
        return lambda asked: set(pmt.to_python(ports))

    def kept(has: Callable[[Any], bool]) -> Callable[[set[str]], set[str]]:
        return lambda asked: {port for port in asked if has(pmt.intern(port))}

    if isinstance(block, gr.hier_block2):
        return kept(block.message_port_is_hier_in), kept(block.message_port_is_hier_out)
    return listed(block.message_ports_in()), listed(block.message_ports_out())


def test_the_blocks_have_the_ports_that_companion_shows(tmp_path: Path) -> None:
    """A yml names each message port of its class, but for ports made for programs alone."""
    from gnuradio import semcom
    from gnuradio.semcom.radios.usrp_burst_timer import BurstTimer
    from PyQt5.QtWidgets import QApplication

    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    application = QApplication.instance() or QApplication(["test"])
    assert application is not None  # kept, as a widget needs it
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
        "semcom_feedback_sink": semcom.FeedbackSink(),
        "semcom_feedback_source": semcom.FeedbackSource(),
        "semcom_sample_sink": semcom.SampleSink(),
        "semcom_sample_source": semcom.SampleSource(),
        "semcom_semantic_transmitter": semcom.SemanticTransmitter("linear", waveform),
        "semcom_semantic_receiver": semcom.SemanticReceiver(waveform),
        "semcom_arriving_pictures": semcom.ArrivingPictures(waveform),
        "semcom_frame_history": semcom.FrameHistory(),
        "semcom_picture_view": semcom.PictureView(),
        "semcom_burst_timer": BurstTimer(1, 1e6, lambda: 0.0),
    }

    described = {path.name.removesuffix(".block.yml"): path for path in BLOCKS.glob("*.yml")}
    assert set(made) == set(described)
    for name, block in made.items():
        entry = yaml.safe_load(described[name].read_text())
        for key, names in zip(("inputs", "outputs"), message_ports(block), strict=True):
            shown = {p["id"] for p in entry.get(key, []) if p["domain"] == "message"}
            assert shown == names(shown) - {"system", "flush"}, (name, key)
        for callback in entry["templates"].get("callbacks", []):
            assert callable(getattr(block, callback.partition("(")[0])), (name, callback)
