"Serve the built book on localhost, with the MIME types that browsers insist on: `python -m book.serve [port]`."

from __future__ import annotations

import functools
import sys
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

from book.notebooks import ROOT


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

    def log_message(self, *_: object) -> None:
        "Keep quiet."


def server(port: int = 0, folder: str = str(ROOT / "_build" / "html")) -> ThreadingHTTPServer:
    "A server of the book; port 0 takes a free one."
    return ThreadingHTTPServer(("127.0.0.1", port), functools.partial(Handler, directory=folder))


if __name__ == "__main__":
    if not (ROOT / "_build" / "html" / "index.html").exists():
        sys.exit("There is no book yet: run `make book` first.")
    with server(int(sys.argv[1]) if len(sys.argv) > 1 else 8000) as running:
        print(f"The book is at http://127.0.0.1:{running.server_port}/ (Ctrl-C ends)")
        try:
            running.serve_forever()
        except KeyboardInterrupt:
            pass
