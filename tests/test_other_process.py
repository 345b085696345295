# SPDX-License-Identifier: GPL-3.0-or-later
"""Nothing but IQ samples crosses: a process that has only the recording decodes the same."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from gnuradio.semcom import FlowgraphLink, numerology
from gnuradio.semcom.radios import open_radio

from semcom_models.codecs.registry import load
from semcom_models.data import sample_pictures
from semcom_phy.exchange import ChannelState

DECODE = """
import sys
from dataclasses import fields
from pathlib import Path
import numpy as np
import sigmf
from semcom_models.codecs.registry import for_label
from semcom_phy.fragments import Assembler
from semcom_phy.numerology import Numerology
from semcom_phy.receiver import Receiver

recording = sigmf.fromfile(str(Path(sys.argv[1]) / "received-0.sigmf-meta"))
parameters = recording.get_global_info()["semcom:numerology"]
parameters["pilot_carriers"] = tuple(parameters["pilot_carriers"])
waveform = Numerology(**parameters)
samples = recording.read_samples()[np.newaxis]
receiver, assembler = Receiver(waveform), Assembler(waveform)
receptions = []
for start in range(0, samples.shape[1], 50_001):
    for frame in receiver.push(samples[:, start : start + 50_001]):
        receptions += assembler.add(frame)
receptions += assembler.flush()
for reception in receptions:
    picture = for_label(reception.header.label).decode([reception])[0]
    np.save(Path(sys.argv[1]) / f"{reception.header.picture}.npy", picture.numpy())
"""


@pytest.mark.parametrize("preset", ["narrow", "wide"])
def test_another_process_decodes_the_recording_to_the_last_bit(preset: str, tmp_path: Path) -> None:
    waveform = numerology(preset)
    radio = open_radio("loopback", waveform, snr_db=8, cfo_hz=1500, delay_samples=300.5, seed=3)
    codec = load("linear")
    pictures = [pixels[:, 40:200, 60:260] for _, pixels in sample_pictures()]
    here = []
    with FlowgraphLink(radio, waveform, record_to=tmp_path / "iq") as link:
        for number, picture in enumerate(pictures):
            state = ChannelState(snr_db=8.0)
            link.send(number, codec.encode([picture], state)[0], state)
            reception = link.receive()
            assert reception is not None
            here.append(codec.decode([reception])[0])

    alone = tmp_path / "alone"
    alone.mkdir()
    for suffix in ("data", "meta"):
        shutil.move(tmp_path / "iq" / f"received-0.sigmf-{suffix}", alone)
    shutil.rmtree(tmp_path / "iq")
    result = subprocess.run(
        [sys.executable, "-c", DECODE, str(alone)],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        cwd=alone,
    )
    assert result.returncode == 0, result.stderr
    assert len(list(alone.glob("*.npy"))) == len(pictures)
    for number, (picture, original) in enumerate(zip(here, pictures, strict=True)):
        there = torch.from_numpy(np.load(alone / f"{number}.npy"))
        assert torch.equal(there, picture)
        assert torch.mean((there - original) ** 2) < 2e-3
