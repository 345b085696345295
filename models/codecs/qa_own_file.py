# SPDX-License-Identifier: GPL-3.0-or-later
import hashlib
from pathlib import Path

import pytest

from semcom_models.codecs import registry
from semcom_models.codecs.registry import UnknownScheme, load, scheme_info

CODEC = """
from semcom_models.codecs import registry

class Mine:
    def __init__(self, preset):
        self.label = registry.label_of(preset, None)

registry.register(
    "{name}", {number}, lambda preset, weights: Mine(preset),
    presets=[registry.PresetInfo("{name}", "plain", 0, 1 / 6, default=True)],
)
"""


def test_a_file_that_registers_a_codec_is_its_name(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(CODEC.format(name="mine", number=211))
    try:
        for name in (str(file), str(tmp_path / "." / "mine.py"), "mine"):
            assert scheme_info(name).name == "mine"
            assert load(name).label.codec == 211
    finally:
        registry.unregister("mine")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("import nowhere_to_be_found", "line 1: ModuleNotFoundError: No module named"),
        ("x = 1\n\ny = 1 / 0", "line 3: ZeroDivisionError: division by zero"),
        ("def f(:\n", "line 1: SyntaxError: invalid syntax"),
        (CODEC.format(name="a", number=212) + "\nraise RuntimeError('late')", "RuntimeError: late"),
        ("x = 1", "registers 0 codecs, one is expected"),
        (CODEC.format(name="a", number=212) + CODEC.format(name="b", number=213), "registers 2"),
        (CODEC.format(name="linear", number=214), "cannot register 'linear'"),
    ],
)
def test_a_file_that_does_not_is_one_line(text: str, said: str, tmp_path: Path) -> None:
    file = tmp_path / "bad.py"
    file.write_text(text)
    before = set(registry._SCHEMES)
    with pytest.raises(UnknownScheme, match=said) as caught:
        load(str(file))
    assert "\n" not in str(caught.value)
    assert "bad.py" in str(caught.value)
    assert set(registry._SCHEMES) == before
    with pytest.raises(UnknownScheme, match=said):  # says the same again
        load(str(file))
    file.write_text(CODEC.format(name="mended", number=212))
    assert load(str(file)).label.codec == 212
    registry.unregister("mended")


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(UnknownScheme, match=r"no file .*none\.py: name a Python file"):
        load(str(tmp_path / "none.py"))


def test_a_file_that_is_interrupted_leaves_nothing_behind(tmp_path: Path) -> None:
    file = tmp_path / "slow.py"
    file.write_text(CODEC.format(name="slow", number=215) + "\nraise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        load(str(file))
    with pytest.raises(UnknownScheme, match="no scheme 'slow'"):
        load("slow")


def test_what_a_file_was_when_it_was_run_is_told(tmp_path: Path) -> None:
    """Also where it changes within the second and keeps its length; until then, it is run once."""
    file = tmp_path / "mine.py"
    first, second = (CODEC.format(name=name, number=216) for name in ("one", "two"))
    file.write_text(first)
    assert registry.file_sha256(str(file)) == hashlib.sha256(first.encode()).hexdigest()[:8]
    file.write_text(second)
    assert scheme_info(str(file)).name == "one"
    registry.unregister("one")
    assert scheme_info(str(file)).name == "two"
    assert registry.file_sha256("two") == hashlib.sha256(second.encode()).hexdigest()[:8]
    registry.unregister("two")
    assert registry.file_sha256("linear") is None
