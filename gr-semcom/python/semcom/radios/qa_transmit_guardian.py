# SPDX-License-Identifier: GPL-3.0-or-later
"""The guardian turns a transmitter off unless it is told goodbye."""

import io
import signal
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
from gnuradio.semcom.radios import transmit_guardian
from gnuradio.semcom.radios.usrp_config import UsrpConfig

OPTIONS = UsrpConfig.model_validate({"serial": "7"}).model_dump_json()


class Kind:
    """A radio whose device is free only at the third attempt."""

    Config = UsrpConfig
    asked: ClassVar[list[UsrpConfig]] = []

    @classmethod
    def switch_off(cls, config: UsrpConfig) -> None:
        cls.asked.append(config)
        if len(cls.asked) == 1:
            raise OSError("busy")
        if len(cls.asked) == 2:
            raise RuntimeError("UHD's and SoapySDR's own")


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    monkeypatch.setattr(transmit_guardian, "_AGAIN_S", 0.0)
    radios = SimpleNamespace(radio_class=lambda name: Kind)
    monkeypatch.setattr(transmit_guardian, "import_module", lambda name: radios)
    Kind.asked = []

    def said(words: bytes) -> int:
        stdin = SimpleNamespace(buffer=io.BytesIO(words))
        monkeypatch.setattr(transmit_guardian.sys, "stdin", stdin)
        return transmit_guardian.watch("usrp", OPTIONS)

    return said


def test_a_goodbye_leaves_the_device_alone(told: Any) -> None:
    assert told(b"bye") == 0
    assert Kind.asked == []


def test_an_end_without_goodbye_turns_off_and_tries_again(told: Any) -> None:
    assert told(b"") == 0
    assert [config.serial for config in Kind.asked] == ["7"] * 3


def test_a_device_that_is_gone_is_given_up(told: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transmit_guardian, "_TRY_S", -1.0)
    assert told(b"") == 1
    assert len(Kind.asked) == 1


def test_the_process_ends_at_a_goodbye() -> None:
    guardian = transmit_guardian.TransmitGuardian("usrp", UsrpConfig.model_validate({}))
    guardian.dismiss()
    assert guardian._process.returncode == 0
    guardian.dismiss()
