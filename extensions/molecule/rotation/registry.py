# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A registry on a host's loopback that has, under every name and tag, one image: its program ends at once."""

from __future__ import annotations

import gzip
import hashlib
import http.server
import io
import json
import platform
import tarfile

PORT = 5000
PROGRAM = "/usr/bin/docker-init"
TYPES = "application/vnd.docker"


def digest(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def layer() -> bytes:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w", dereference=True) as archive:
        archive.add(PROGRAM, "program")
    return data.getvalue()


files = layer()
packed = gzip.compress(files)
config = json.dumps(
    {
        "architecture": {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()],
        "os": "linux",
        "config": {"Entrypoint": ["/program", "--version"]},
        "rootfs": {"type": "layers", "diff_ids": [digest(files)]},
    }
).encode()
manifest = json.dumps(
    {
        "schemaVersion": 2,
        "mediaType": f"{TYPES}.distribution.manifest.v2+json",
        "config": {"mediaType": f"{TYPES}.container.image.v1+json", "size": len(config), "digest": digest(config)},
        "layers": [
            {"mediaType": f"{TYPES}.image.rootfs.diff.tar.gzip", "size": len(packed), "digest": digest(packed)},
        ],
    }
).encode()
blobs = {digest(data): data for data in (config, packed)}


class Registry(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        kind, name = (["", "", *self.path.split("/")])[-2:]
        if kind == "manifests":
            data, media = manifest, f"{TYPES}.distribution.manifest.v2+json"
        else:
            data, media = blobs.get(name, b"{}"), "application/octet-stream"
        self.send_response(200)
        self.send_header("Content-Type", media)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Docker-Content-Digest", digest(data))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(data)

    do_HEAD = do_GET

    def log_message(self, *_arguments: object) -> None:
        """Nobody reads it."""


http.server.ThreadingHTTPServer(("127.0.0.1", PORT), Registry).serve_forever()
