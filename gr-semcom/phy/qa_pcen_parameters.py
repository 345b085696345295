# SPDX-License-Identifier: GPL-3.0-or-later
from pathlib import Path

import pytest

from semcom_phy.pcen_parameters import (
    NOTHING_LEARNED,
    CenCorrection,
    PcenParameters,
    learned_parameters,
    read_parameters,
    write_parameters,
)


@pytest.mark.parametrize("modulation", ["QPSK", "16QAM"])
def test_what_was_learned_ships(modulation: str) -> None:
    learned = learned_parameters(modulation)
    assert len(learned.gamma) == len(learned.alpha) == 8
    assert learned.correction != CenCorrection()


def test_nothing_ships_for_other_modulations() -> None:
    with pytest.raises(ValueError, match=r"QPSK, 16QAM, not for 64QAM"):
        learned_parameters("64QAM")


def test_what_is_written_is_read(tmp_path: Path) -> None:
    table = {
        "QPSK": PcenParameters((0.5, 1.5), (-2.25, 0.75), CenCorrection(0.125, 1.5, 0.0)),
        "16QAM": NOTHING_LEARNED,
    }
    write_parameters(tmp_path / "p.csv", table)
    assert read_parameters(tmp_path / "p.csv") == table


GOOD = "modulation,parameter,layer,value\nQPSK,gamma,0,1\nQPSK,alpha,0,0.5\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a,b\n1,2\n", "columns are"),
        (GOOD.replace("0.5", "half"), "columns are"),
        (GOOD.replace("0.5", "nan"), "finite"),
        (GOOD.replace("alpha,0", "alpha,1"), "out of order"),
        (GOOD.replace("alpha", "beta"), "beta"),
        (GOOD + "QPSK,gamma,1,1\n", "out of order|2 gammas"),
        (GOOD + "QPSK,noise,,-1\n", "not negative"),
    ],
)
def test_damage_is_one_clear_line(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "p.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=words) as caught:
        read_parameters(path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)
