#!/usr/bin/env python3
"""Serves a folder as a repository of the Hub: a real nginx on loopback, and a CDN on another host name.

usage: nginx_hub.py FOLDER [--rate BYTES] [--token TOKEN] [--page N] [--tls] [--plain-cdn]

The files of FOLDER/repo are those of org/name at `main`; those that hold weights are large ones, behind
a redirect to a signed address on the CDN, the others come by a relative redirect, as on the real Hub.
old/name is a former name of the repository. FOLDER/files is on the CDN as it is, without an API.

Prints a line of JSON with the addresses, then serves until its standard input ends. By then FOLDER
holds hub.log and cdn.log, an object of JSON a line for each request. With --tls, FOLDER/ca.pem is the
certificate to trust. Exits 77 when nginx, or openssl where it is needed, is not installed.
"""

import argparse
import hashlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

COMMIT = "0123456789abcdef0123456789abcdef01234567"
LARGE = (".safetensors", ".bin", ".gguf", ".pt")
SIGNATURE = "5160ed0c"
SKIPPED = 77


def find_program(name):
    path = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
    if path is None:
        print("SKIPPED: %s is not installed" % name, flush=True)
        sys.exit(SKIPPED)
    return path


def git_oid(data):
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def sha256(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


class RepoFile:
    def __init__(self, repo, path):
        self.name = path.relative_to(repo).as_posix()
        self.path = path
        self.size = path.stat().st_size
        self.sha256 = sha256(path) if self.name.endswith(LARGE) else None
        self.oid = git_oid(self.pointer() if self.sha256 else path.read_bytes())

    def pointer(self):
        return ("version https://git-lfs.github.com/spec/v1\noid sha256:%s\nsize %d\n"
                % (self.sha256, self.size)).encode()

    def row(self):
        row = {"type": "file", "oid": self.oid, "size": self.size, "path": self.name}
        if self.sha256:
            row["lfs"] = {"oid": self.sha256, "size": self.size, "pointerSize": len(self.pointer())}
            row["xetHash"] = hashlib.sha256(self.name.encode()).hexdigest()
        return row


def quoted(text):
    """A string of nginx's configuration."""
    return '"%s"' % str(text).replace("\\", "\\\\").replace('"', '\\"')


def headers(**values):
    return "".join("      add_header %s %s always;\n" % (name.replace("_", "-"), quoted(value))
                   for name, value in values.items())


class Site:
    def __init__(self, options):
        self.options = options
        self.folder = options.folder.resolve()
        repo = self.folder / "repo"
        paths = sorted(path for path in repo.rglob("*") if path.is_file())
        self.files = [RepoFile(repo, path) for path in paths]
        self.sockets = [self.listen(), self.listen()]
        ports = [each.getsockname()[1] for each in self.sockets]
        secure = "https" if options.tls else "http"
        self.hub = "%s://127.0.0.1:%d" % (secure, ports[0])
        self.cdn = "%s://localhost:%d" % ("http" if options.plain_cdn else secure, ports[1])

    # nginx inherits the sockets: their ports are free, and clients may connect before it is ready.
    @staticmethod
    def listen():
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", 0))
        listener.listen(511)
        listener.set_inheritable(True)
        return listener

    def write(self):
        for name in ("api", "blob", "files", "temp"):
            (self.folder / name).mkdir(exist_ok=True)
        info = {"_id": "1", "id": "org/name", "modelId": "org/name", "sha": COMMIT, "private": False,
                "gated": False, "tags": ["safetensors"], "downloads": 5, "likes": 2,
                "siblings": [{"rfilename": file.name} for file in self.files]}
        (self.folder / "api/info").write_text(json.dumps(info))
        for number, page in enumerate(self.pages()):
            (self.folder / ("api/tree.%d" % number)).write_text(json.dumps([file.row() for file in page]))
        for file in self.files:
            blob = self.folder / "blob" / (file.sha256 or file.oid)
            if not blob.exists():
                blob.symlink_to(file.path)
        if self.options.tls:
            self.make_certificate()
        (self.folder / "nginx.conf").write_text(self.configuration())

    def pages(self):
        size = self.options.page
        return [self.files[i:i + size] for i in range(0, max(len(self.files), 1), size)]

    def make_certificate(self):
        subprocess.run([find_program("openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=stkit",
                        "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost", "-keyout",
                        self.folder / "key.pem", "-out", self.folder / "ca.pem"],
                       check=True, capture_output=True)

    def configuration(self):
        temp = "".join("  %s_temp_path %s;\n" % (kind, quoted(self.folder / "temp" / kind))
                       for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        fields = {"status": "$status", "sent": "$body_bytes_sent", "connection": "$connection"}
        texts = {"target": "$request_uri", "host": "$http_host", "method": "$request_method",
                 "range": "$http_range", "authorization": "$http_authorization",
                 "agent": "$http_user_agent"}
        line = ", ".join(['"%s": %s' % item for item in fields.items()] +
                         ['"%s": "%s"' % item for item in texts.items()])
        # Workers of root would be somebody else, who may not read the folder.
        user = "user root;\n" if os.geteuid() == 0 else ""
        return user + """daemon off;
worker_processes 1;
pid %(pid)s;
error_log %(errors)s;
events { worker_connections 1024; }
http {
%(temp)s  log_format seen escape=json '{%(line)s}';
  default_type application/octet-stream;
  absolute_redirect off; etag off; gzip off; sendfile on; tcp_nopush on; keepalive_requests 1000000;
  map $arg_cursor $page { default 0; ~^[0-9]+$ $arg_cursor; }
  map $page $next { %(links)s }
  map $request_uri $renamed { default ""; ~^(?<kind>(/api/models)?)/old/name(?<rest>.*)$ $kind/org/name$rest; }
  map $http_authorization $denied { default %(denied)d; %(bearer)s 0; }
%(hub)s%(cdn)s}
""" % {
            "pid": quoted(self.folder / "nginx.pid"), "errors": quoted(self.folder / "error.log"),
            "temp": temp, "line": line, "denied": 1 if self.options.token else 0,
            "bearer": quoted("Bearer %s" % (self.options.token or "hf_any")),
            "links": " ".join(
                "%d %s;" % (i, quoted('<%s/api/models/org/name/tree/%s?recursive=true&cursor=%d>; rel="next"'
                                      % (self.hub, COMMIT, i + 1)))
                for i in range(len(self.pages()) - 1)) or 'default "";',
            "hub": self.hub_server(), "cdn": self.cdn_server()}

    def server(self, address, log, body):
        tls = ""
        if address.startswith("https"):
            tls = "    ssl_certificate %s; ssl_certificate_key %s;\n" % (
                quoted(self.folder / "ca.pem"), quoted(self.folder / "key.pem"))
        port = address.rsplit(":", 1)[1]
        return "  server {\n    listen 127.0.0.1:%s%s;\n%s    access_log %s seen;\n%s  }\n" % (
            port, " ssl" if tls else "", tls, quoted(self.folder / log), body)

    def hub_server(self):
        refusal = headers(X_Error_Code="RepoNotFound", X_Error_Message="Repository not found",
                          X_Request_Id="Root=1-test")
        body = "    if ($denied) { rewrite ^ /denied last; }\n"
        body += "    location = /denied {\n      internal;\n%s      return 401;\n    }\n" % refusal
        body += "    location / {\n%s      return 404;\n    }\n" % refusal
        body += "    location /org/name/resolve/ {\n%s      return 404;\n    }\n" % headers(
            X_Error_Code="EntryNotFound", X_Repo_Commit=COMMIT)
        body += "    location ~ ^/api/models/org/name(/revision/(main|%s))?$ {\n" % COMMIT
        body += "      default_type application/json; types { }\n      alias %s;\n    }\n" % quoted(self.folder / "api/info")
        body += "    location ~ ^/api/models/org/name/tree/(main|%s)$ {\n" % COMMIT
        body += "      default_type application/json; types { }\n      add_header Link $next;\n"
        body += "      alias %s;\n    }\n" % quoted("%s/api/tree.$page" % self.folder)
        body += "    location ~ ^(/api/models)?/old/name {\n      return 307 $renamed;\n    }\n"
        for file in self.files:
            for revision in ("main", COMMIT):
                body += self.resolve(file, revision)
        return self.server(self.hub, "hub.log", body)

    def resolve(self, file, revision):
        place = quoted("/org/name/resolve/%s/%s" % (revision, file.name))
        if file.sha256:
            xet = "<%s/api/models/org/name/xet-read-token/%s>; rel=\"xet-auth\", " % (self.hub, COMMIT)
            xet += "<https://cas.invalid/reconstruction/%s>; rel=\"xet-reconstruction-info\"" % file.row()["xetHash"]
            return "    location = %s {\n%s      return 302 %s;\n    }\n" % (
                place, headers(X_Repo_Commit=COMMIT, X_Linked_ETag='"%s"' % file.sha256,
                               X_Linked_Size=file.size, Accept_Ranges="bytes",
                               X_Xet_Hash=file.row()["xetHash"], Link=xet),
                quoted("%s/blob/%s?sig=%s" % (self.cdn, file.sha256, SIGNATURE)))
        direct = "/api/resolve-cache/models/org/name/%s/" % COMMIT
        known = headers(X_Repo_Commit=COMMIT, ETag='"%s"' % file.oid)
        text = "    location = %s {\n%s      return 307 %s;\n    }\n" % (
            place, known, quoted("%s%s?etag=%%22%s%%22" % (direct, quote(file.name), file.oid)))
        if revision == "main":
            text += "    location = %s {\n%s      alias %s;\n    }\n" % (
                quoted(direct + file.name), known, quoted(self.folder / "blob" / file.oid))
        return text

    # As the real one, it has ETags of its own, and refuses what comes with a token.
    def cdn_server(self):
        rate = "    limit_rate %d;\n" % self.options.rate if self.options.rate else ""
        body = rate + "    etag on;\n    root %s;\n" % quoted(self.folder)
        body += "    if ($http_authorization) { return 400; }\n"
        body += "    location /files/ { }\n"
        body += "    location /blob/ {\n      if ($arg_sig != %s) { return 403; }\n    }\n" % quoted(SIGNATURE)
        return self.server(self.cdn, "cdn.log", body)

    def serve(self):
        nginx = find_program("nginx")
        self.write()
        numbers = [each.fileno() for each in self.sockets]
        environment = dict(os.environ, NGINX="".join("%d;" % number for number in numbers))
        process = subprocess.Popen(
            [nginx, "-p", str(self.folder), "-e", str(self.folder / "error.log"), "-c", str(self.folder / "nginx.conf")],
            env=environment, pass_fds=numbers, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL)
        try:
            print(json.dumps({"hub": self.hub, "cdn": self.cdn, "commit": COMMIT}), flush=True)
            sys.stdin.read()
        finally:
            self.stop(process)

    # Requests that run are brought to their end, so that the logs tell of them.
    def stop(self, process):
        early = process.poll()
        if early is None:
            process.send_signal(signal.SIGQUIT)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.terminate()
                process.wait()
        else:
            sys.exit("nginx ended with %d:\n%s" % (early, (self.folder / "error.log").read_text()))


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rate", type=int, default=0, help="bytes a second of each connection to the CDN")
    parser.add_argument("--token", default="", help="the one without which the Hub says nothing")
    parser.add_argument("--page", type=int, default=1000, help="files in one page of the list")
    parser.add_argument("--tls", action="store_true")
    parser.add_argument("--plain-cdn", action="store_true", help="the CDN is http even with --tls")
    Site(parser.parse_args()).serve()


if __name__ == "__main__":
    main()
