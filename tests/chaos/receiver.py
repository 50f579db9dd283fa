"""An HTTP receiver on loopback that counts deliveries and takes every one of them."""

from __future__ import annotations

import threading
from collections import Counter, defaultdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

__all__ = ["KEY_HEADER", "Receiver"]

KEY_HEADER = "Idempotency-Key"


class Receiver:
    """POST /<name> delivers, GET /<name> tells how often that was delivered; a name may be that of a key, too.

    Attributes:
        deliveries: how often each name was delivered.
        keys: the idempotency keys that came with each name.
    """

    def __init__(self) -> None:
        self.deliveries: Counter[str] = Counter()
        self.keys: defaultdict[str, set[str]] = defaultdict(set)
        self._seen_keys: Counter[str] = Counter()
        self._lock = threading.Lock()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                receiver._take(self.path.strip("/"), self.headers.get(KEY_HEADER, ""))
                self._answer(f"receipt {self.path.strip('/')}")

            def do_GET(self) -> None:
                self._answer(str(receiver._count(self.path.strip("/"))))

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

    def _take(self, name: str, key: str) -> None:
        with self._lock:
            self.deliveries[name] += 1
            if key:
                self.keys[name].add(key)
                self._seen_keys[key] += 1

    def _count(self, name: str) -> int:
        with self._lock:
            return self.deliveries[name] or self._seen_keys[name]

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
