"""An authorizer that is asked by plain HTTP: it lets in whom x-user calls root, and nobody else."""

import http.server
import sys


class Check(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        good = self.headers.get("x-user") == "root" and self.path.startswith("/check/")
        body = b"" if good else b"who are you?"
        self.send_response(200 if good else 401)
        self.send_header("content-length", str(len(body)))
        self.send_header("x-role", "admin")
        self.send_header("x-asked", self.path)
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET

    def log_message(self, *_):
        pass


http.server.ThreadingHTTPServer(("0.0.0.0", int(sys.argv[1])), Check).serve_forever()
