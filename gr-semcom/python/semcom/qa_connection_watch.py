# SPDX-License-Identifier: GPL-3.0-or-later
"""A connection that is watched."""

import socket
import threading
import time

import zmq
from gnuradio.semcom.connection_watch import ConnectionWatch


def test_what_nobody_asked_for_does_not_keep_it_from_closing() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        endpoint = f"tcp://127.0.0.1:{free.getsockname()[1]}"
    context = zmq.Context()
    calling = context.socket(zmq.PUSH)
    calling.setsockopt(zmq.RECONNECT_IVL, 1)
    watch = ConnectionWatch(calling, endpoint, calls=True, has_keys=False)
    for _ in range(64):
        calling.connect(endpoint)
    time.sleep(1.0)  # for more failures than the library keeps unread
    closing = threading.Thread(target=watch.close, daemon=True)
    closing.start()
    closing.join(20.0)
    assert not closing.is_alive()
    context.destroy(linger=0)
