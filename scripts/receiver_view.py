# SPDX-License-Identifier: GPL-3.0-or-later
"""Draws ``docs/receiver-view.png``: the window of ``flowgraphs/receiver_view.grc`` at work.

::

    xvfb-run -s "-screen 0 1280x900x24" .venv/bin/python scripts/receiver_view.py \
        docs/receiver-view.png

It moves the SNR's slider after a picture, and looks when a part of a later picture has arrived.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from gnuradio.semcom import check
from PIL import Image
from PyQt5 import Qt

ROOT = Path(__file__).parents[1]
NAME = "receiver_view"
SNR_DB = 6.0
"""To which the slider is moved."""

_CAPTION = re.compile(r"picture (\d+): (\d+) of (\d+) frames")


def compile_flowgraph(folder: Path) -> Any:
    """The module that Companion makes of the flowgraph."""
    found = {"GRC_BLOCKS_PATH": str(ROOT / "gr-semcom" / "grc"), "HOME": str(folder)}
    flowgraph = ROOT / "flowgraphs" / f"{NAME}.grc"
    subprocess.run(["grcc", "-o", str(folder), str(flowgraph)], env=os.environ | found, check=True)
    spec = importlib.util.spec_from_file_location(NAME, folder / f"{NAME}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def wait_for(picture: int, least: float, most: float, view: Any, patience_s: float) -> None:
    """Until between these shares of a picture have arrived, or of a later one."""
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline:
        Qt.QApplication.processEvents()
        time.sleep(0.01)
        seen = _CAPTION.fullmatch(view.caption)
        if seen is not None:
            number, arrived, fragments = map(int, seen.groups())
            if number >= picture and least <= arrived / fragments <= most:
                return
    raise TimeoutError(f"no picture appeared in {patience_s:g} s")


def main() -> None:
    """Run the flowgraph, draw its window."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("output", type=Path, help="PNG file")
    parser.add_argument("--scheme", default="adjscc")
    parser.add_argument("--images", default="", help="picture or folder")
    parser.add_argument("--patience", type=float, default=120.0, help="seconds for a picture")
    arguments = parser.parse_args()
    application = Qt.QApplication(sys.argv[:1])
    with tempfile.TemporaryDirectory() as folder:
        module = compile_flowgraph(Path(folder))
    window = module.receiver_view(images=arguments.images, scheme=arguments.scheme)
    module.snippets_main_after_init(window)
    window.start()
    window.show()
    view = window.picture_view.qwidget()
    try:
        wait_for(1, 1.0, 1.0, view, arguments.patience)
        window._snr_db_win.d_widget.setValue(SNR_DB)
        wait_for(4, 0.3, 0.7, view, arguments.patience)
        window.grab().save(str(arguments.output))
        # A window has few colours, and a photograph needs no more than these.
        Image.open(arguments.output).convert("RGB").quantize(256).save(arguments.output)
    finally:
        window.close()
        application.processEvents()
    check(window)


if __name__ == "__main__":
    main()
