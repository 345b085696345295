# SPDX-License-Identifier: GPL-3.0-or-later
"""What is installed of what the radios and schemes need."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ota_runner.doctor_finding import Finding, ProbeFailedError, probe
from ota_runner.versions import versions

_AREA = "software"


@dataclass(frozen=True)
class _Library:
    """Something that can be imported.

    Attributes:
        name: as people call it.
        code: that prints its version.
        mend: command that installs it.
        serves: what does not work without it.
    """

    name: str
    code: str
    mend: str
    serves: str


_LIBRARIES = (
    _Library(
        "GNU Radio",
        "from gnuradio import gr; print(gr.version())",
        "apt install gnuradio",
        "every radio but ideal",
    ),
    _Library(
        "gr-uhd",
        "from gnuradio import uhd; print(uhd.get_version_string())",
        "apt install gnuradio",
        "--radio usrp",
    ),
    _Library(
        "UHD for Python",
        "import uhd; uhd.find; print('there')",
        "apt install python3-uhd uhd-host",
        "--radio usrp",
    ),
    _Library(
        "libiio",
        "import iio; print('{}.{} ({})'.format(*iio.version))",
        "apt install libiio0 libiio-utils && pip install 'pylibiio<1'",
        "--radio pluto",
    ),
    _Library(
        "pyadi-iio",
        "import adi; print(adi.__version__)",
        "pip install pyadi-iio",
        "--radio pluto",
    ),
    _Library(
        "gr-iio",
        "from gnuradio import iio; iio.device_source; print('there')",
        "apt install gnuradio",
        "--radio pluto --backend iio",
    ),
    _Library(
        "SoapySDR",
        "import SoapySDR; print(SoapySDR.getLibVersion())",
        "apt install python3-soapysdr soapysdr-module-all",
        "--radio soapy",
    ),
    _Library(
        "PyTorch",
        "import torch; print(torch.__version__, 'CUDA' if torch.cuda.is_available() else 'CPU')",
        "pip install torch",
        "every scheme",
    ),
)


def software() -> Iterator[Finding]:
    """Findings on what can be imported, and on weights."""
    for package, number in versions().items():
        if package in ("python", "gr-semcom", "numpy"):
            yield Finding(_AREA, package, "fine", number)
    for library in _LIBRARIES:
        yield _library(library)
    yield _weights()


def _library(library: _Library) -> Finding:
    try:
        return Finding(_AREA, library.name, "fine", probe(library.code))
    except ProbeFailedError as error:
        return Finding(
            _AREA,
            library.name,
            "missing",
            f"{library.serves} needs it: {error}",
            _numpy_major(str(error)) or library.mend,
        )


def _numpy_major(said: str) -> str:
    """What mends a library that was built for another major version of NumPy."""
    signs = ("numpy.core.multiarray failed", "_ARRAY_API not found", "compiled using NumPy 1")
    return "pip install 'numpy<2'" if any(sign in said for sign in signs) else ""


def _weights() -> Finding:
    try:
        from semcom_models.codecs.registry import schemes
    except ImportError as error:
        return Finding(_AREA, "weights", "missing", str(error), "pip install torch")
    found = {preset.scheme for info in schemes() for preset in info.presets if preset.weights}
    if found:
        return Finding(_AREA, "weights", "fine", ", ".join(sorted(found)))
    return Finding(
        _AREA, "weights", "missing", "of no scheme", "ota_runner train, or --weights FILE"
    )
