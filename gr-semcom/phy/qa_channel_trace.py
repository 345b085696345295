# SPDX-License-Identifier: GPL-3.0-or-later
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from semcom_phy import channel_trace
from semcom_phy.channel import ChannelConfig, SampleChannel
from semcom_phy.channel_trace import ChannelTrace, generate, load_trace, save_trace
from semcom_phy.numerology import NARROW
from semcom_phy.tap_process import TapProcess
from semcom_phy.tdl import tdl_channel


def _rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def _gains(shape: tuple[int, ...]) -> np.ndarray:
    rng = _rng(1)
    return (rng.standard_normal(shape) + 1j * rng.standard_normal(shape)).astype(np.complex64)


def test_a_trace_survives_its_file(tmp_path: Path) -> None:
    trace = ChannelTrace(np.array([0.0, 1e-6]), 1e-3, _gains((5, 2, 1, 2)))
    save_trace(tmp_path / "a.npz", trace)
    loaded = load_trace(tmp_path / "a.npz")
    np.testing.assert_array_equal(loaded.gains, trace.gains)
    np.testing.assert_array_equal(loaded.delays_s, trace.delays_s)
    assert loaded.interval_s == trace.interval_s


def test_the_command_generates_the_channel_that_the_profile_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "c.npz"
    options = {"--delay-spread": "3e-7", "--doppler": "20", "--seconds": "0.1", "--seed": "4"}
    arguments = ["tdl-c", *(word for option in options.items() for word in option)]
    channel_trace.main([*arguments, str(path)])
    assert "24 taps" in capsys.readouterr().out
    process = tdl_channel("tdl-c", 3e-7, 20.0).realise(1, 1, _rng(4))
    trace = load_trace(path)
    assert (len(trace.gains) - 1) * trace.interval_s >= 0.1
    np.testing.assert_array_equal(trace.gains, process.gains(0, len(trace.gains)))


def test_a_trace_goes_forth_and_back() -> None:
    trace = ChannelTrace(np.zeros(1), 1e-3, np.arange(4, dtype=np.complex64).reshape(4, 1, 1, 1))
    seen = set()
    for seed in range(40):
        process = trace.realise(1, 1, _rng(seed))
        values = process.gains(0, 13).ravel().real
        assert np.abs(np.diff(values)).max() == 1  # never a jump
        np.testing.assert_array_equal(values[:7], values[6:])
        np.testing.assert_array_equal(process.gains(3, 5).ravel().real, values[3:8])
        seen.add(tuple(values))
    assert len(seen) == 6


def test_a_trace_replayed_is_the_channel_it_was_taken_from() -> None:
    samples = _gains((1, 20_000))
    trace = generate("tdl-b", 2e-6, 30.0, 1.0, seed=7)

    class FromTheBeginning:
        def realise(self, rx: int, tx: int, generator: np.random.Generator) -> TapProcess:
            return channel_trace._Replay(trace, 0)

    class Profile:
        def realise(self, rx: int, tx: int, generator: np.random.Generator) -> TapProcess:
            return tdl_channel("tdl-b", 2e-6, 30.0).realise(rx, tx, _rng(7))

    replayed, faded = (
        SampleChannel(ChannelConfig(multipath=kind), NARROW).process(samples)
        for kind in (FromTheBeginning(), Profile())
    )
    np.testing.assert_array_equal(replayed, faded)


@pytest.mark.parametrize("carrier", [True, False])
def test_subcarriers_meet_the_gains_of_the_trace(tmp_path: Path, carrier: bool) -> None:
    numbers = np.arange(-20, 21)
    if not carrier:
        numbers = numbers[numbers != 0]
    spacing = NARROW.subcarrier_spacing_hz
    delays = np.array([-3e-6, 0.0, 4.3e-6])
    gains = np.array([0.2j, 1.0, -0.4])
    response = np.exp(-2j * np.pi * np.outer(numbers * spacing, delays)) @ gains
    path = tmp_path / "f.npz"
    np.savez(
        path,
        gains=response[None, :, None, None],
        interval_s=1e-3,
        frequencies_hz=numbers * spacing,
    )
    channel = SampleChannel(ChannelConfig(multipath=load_trace(path)), NARROW)
    count = 128 * 20
    for number in (-20, -7, 1, 13):
        frequency = number / NARROW.fft_size
        tone = np.exp(2j * np.pi * frequency * np.arange(count)).astype(np.complex64)[None]
        channel = SampleChannel(ChannelConfig(multipath=load_trace(path)), NARROW)
        received = channel.process(tone)[0]
        middle = slice(1000, 1500)
        gain = response[list(numbers).index(number)]
        assert np.abs(received[middle] - gain * tone[0, middle]).max() < 4e-3


GOOD: dict[str, Any] = {
    "gains": np.ones((3, 2, 1, 1), np.complex64),
    "interval_s": 1e-3,
    "delays_s": np.array([0.0, 1e-6]),
}
SUBCARRIERS: dict[str, Any] = {
    "gains": np.ones((3, 4, 1, 1), np.complex64),
    "interval_s": 1e-3,
    "frequencies_hz": np.arange(4.0),
}


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"gains": None}, "no array 'gains' .*numpy.savez"),
        ({"interval_s": None}, "no array 'interval_s'"),
        ({"delays_s": None}, "no array 'frequencies_hz'"),
        ({"gains": np.ones((3, 2, 1))}, r"\[t, tap, rx, tx\] is expected: give all four axes"),
        ({"gains": np.ones((0, 2, 1, 1))}, r"\[t, tap, rx, tx\]"),
        ({"gains": np.full((3, 2, 1, 1), np.nan)}, "6 of 6 gains are no finite .* interpolate"),
        ({"delays_s": np.zeros(3)}, "2 taps and .*: give one delay a tap"),
        ({"delays_s": np.array([0.0, np.inf])}, "1 of 2 delays are no finite"),
        ({"interval_s": 0.0}, "positive"),
        ({"interval_s": np.zeros(2)}, "give one number of seconds"),
        ({"gains": np.array(["a"])}, "no numbers.*: save numbers"),
        ({"gains": np.array([{}], object)}, "no numbers.*: save numbers"),
        (SUBCARRIERS | {"frequencies_hz": np.array([0.0, 1, 2, 4])}, "even steps"),
        (SUBCARRIERS | {"frequencies_hz": np.arange(4.0)[::-1]}, "even steps"),
        (SUBCARRIERS | {"frequencies_hz": np.arange(5.0)}, "subcarrier"),
    ],
)
def test_damaged_traces_are_told_in_a_line(
    tmp_path: Path, arrays: dict[str, Any], message: str
) -> None:
    path = tmp_path / "bad.npz"
    whole = (GOOD if "frequencies_hz" not in arrays else {}) | arrays
    np.savez(path, **{name: value for name, value in whole.items() if value is not None})
    with pytest.raises(ValueError, match=message) as caught:
        load_trace(path)
    assert str(caught.value).startswith(f"{path} is no channel trace")
    assert "\n" not in str(caught.value)


def test_what_a_header_promises_is_not_believed(tmp_path: Path) -> None:
    path = tmp_path / "bomb.npz"
    np.savez(path, **GOOD)
    with zipfile.ZipFile(path, "a") as archive, archive.open("huge.npy", "w") as file:
        header = {"descr": "<c8", "fortran_order": False, "shape": (1 << 40,)}
        np.lib.format.write_array_header_1_0(file, header)
    with pytest.raises(ValueError, match="larger than"):
        load_trace(path)


@pytest.mark.parametrize("contents", [b"", b"not an archive", b"PK\x03\x04junk"])
def test_other_files_are_told(tmp_path: Path, contents: bytes) -> None:
    path = tmp_path / "x.npz"
    path.write_bytes(contents)
    with pytest.raises(ValueError, match=r"no channel trace: it is no \.npz archive; write one by"):
        load_trace(path)
    with pytest.raises(ValueError, match=r"cannot read .*nothing.npz: No such file .*name an .npz"):
        load_trace(tmp_path / "nothing.npz")


def test_other_antennas_are_refused() -> None:
    with pytest.raises(ValueError, match=r"2 receive and 1 transmit .*choose antennas 1x2"):
        generate("tdl-a", 1e-7, 5.0, 0.1, (2, 1)).realise(1, 1, _rng())


@pytest.mark.parametrize("seconds", ["0", "nan", "1e9"])
def test_the_command_refuses_senseless_lengths(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], seconds: str
) -> None:
    with pytest.raises(SystemExit):
        channel_trace.main(["tdl-a", str(tmp_path / "a.npz"), "--seconds", seconds])
    assert "trace" in capsys.readouterr().err
