"Serve the built book on localhost, compressed, with the MIME types that browsers insist on: `python -m book.serve [port]`."

from __future__ import annotations

import functools
import gzip
import io
import os
import sys
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, BinaryIO

from book.notebooks import ROOT


COMPRESSED = {".html", ".js", ".mjs", ".css", ".json", ".svg", ".ipynb", ".txt", ".xml"}


@functools.lru_cache(maxsize=256)
def _gzipped(path: str, changed: int) -> bytes:
    "A file, compressed; a file that has changed since is another one."
    return gzip.compress(Path(path).read_bytes(), compresslevel=6, mtime=0)


class Handler(SimpleHTTPRequestHandler):
    "Knows the file types of scripts, WebAssembly and fonts whatever the machine's tables say."

    extensions_map = SimpleHTTPRequestHandler.extensions_map | {
        ".js": "text/javascript",
        ".mjs": "text/javascript",
        ".json": "application/json",
        ".wasm": "application/wasm",
        ".whl": "application/octet-stream",
        ".woff2": "font/woff2",
        ".woff": "font/woff",
        ".svg": "image/svg+xml",
        ".ipynb": "application/x-ipynb+json",
    }

    isolated = True

    def end_headers(self) -> None:
        "Let a page share memory with its worker, so that Stop can interrupt Python. JupyterLite 0.6 fails where it may."
        if self.isolated and "/lite/" not in self.path:
            self.send_header("Cross-Origin-Opener-Policy", "same-origin")
            self.send_header("Cross-Origin-Embedder-Policy", "require-corp")
        super().end_headers()

    def send_head(self) -> BinaryIO | None:
        "Send the headers, and return what is to follow them: text compressed, for a browser that takes it."
        path = Path(self.translate_path(self.path))
        if path.is_dir() and self.path.split("?")[0].endswith("/"):
            path /= "index.html"
        wanted = "gzip" in self.headers.get("Accept-Encoding", "") and "If-Modified-Since" not in self.headers
        if not (wanted and path.suffix in COMPRESSED and path.is_file()):
            return super().send_head()
        state = path.stat()
        body = _gzipped(os.fspath(path), state.st_mtime_ns)
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", self.guess_type(os.fspath(path)))
        self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Last-Modified", self.date_time_string(state.st_mtime))
        self.send_header("Vary", "Accept-Encoding")
        self.end_headers()
        return io.BytesIO(body)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        "Send the book's own page for an address where nothing is, as servers of sites do."
        lost = Path(self.directory) / "404.html"
        if code != HTTPStatus.NOT_FOUND or not lost.is_file():
            return super().send_error(code, message, explain)
        body = lost.read_bytes()
        self.send_response(code)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        "Keep quiet."


class Plain(Handler):
    "Sends no headers of its own, as most servers of plain files."

    isolated = False


class Server(ThreadingHTTPServer):
    "Says nothing when a browser has changed its mind about a file."

    def handle_error(self, request: Any, client_address: Any) -> None:
        "Called by the library with the exception at hand."
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


def server(port: int = 0, folder: str = str(ROOT / "_build" / "html"), handler: type[Handler] = Handler) -> Server:
    "A server of the book; port 0 takes a free one."
    return Server(("127.0.0.1", port), functools.partial(handler, directory=folder))


if __name__ == "__main__":
    if not (ROOT / "_build" / "html" / "index.html").exists():
        sys.exit("There is no book yet: run `make book` first.")
    with server(int(sys.argv[1]) if len(sys.argv) > 1 else 8000) as running:
        print(f"The book is at http://127.0.0.1:{running.server_port}/ (Ctrl-C ends)")
        try:
            running.serve_forever()
        except KeyboardInterrupt:
            pass
