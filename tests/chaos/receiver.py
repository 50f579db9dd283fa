"""An HTTP receiver on loopback that counts deliveries and takes every one of them."""

from __future__ import annotations

import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

__all__ = ["Receiver"]


class Receiver:
    """POST /<number> delivers, GET /<number> tells how often that was delivered."""

    def __init__(self) -> None:
        self.deliveries: Counter[int] = Counter()
        self._lock = threading.Lock()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                number = int(self.path.strip("/"))
                with receiver._lock:
                    receiver.deliveries[number] += 1
                self._answer(f"receipt {number}")

            def do_GET(self) -> None:
                with receiver._lock:
                    count = receiver.deliveries[int(self.path.strip("/"))]
                self._answer(str(count))

            def _answer(self, text: str) -> None:
                self.send_response(200)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text.encode())

            def handle(self) -> None:
                try:
                    super().handle()
                except ConnectionError:
                    return  # the sender was killed

            def log_message(self, *args: object) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
