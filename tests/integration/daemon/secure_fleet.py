"""Certificates, tokens, an HTTP proxy, and a daemon that asks everybody who they are."""
import base64
import json
import os
import socket
import subprocess
import threading

from harness import BIN, BUILD, SOURCE, wait_until

CERTIFICATES = BUILD / "tests" / "certificates"


def make_certificates():
    (BUILD / "tests").mkdir(exist_ok=True)
    subprocess.run(["flock", BUILD / "tests", SOURCE / "tests/fixtures/tls/make_certificates.sh", CERTIFICATES], check=True)


def pem(name):
    return str(CERTIFICATES / f"{name}.pem")


def key(name):
    return str(CERTIFICATES / f"{name}.key")


class Proxy:
    """An HTTP proxy that knows CONNECT: every name is this machine. Keeps the heads it got."""

    def __init__(self, answer=None, credentials=None, hang=False):
        self.answer, self.credentials, self.hang = answer, credentials, hang
        self.heads, self.bytes = [], b""
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port = self.server.getsockname()[1]
        self.open = [self.server]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                connection, _ = self.server.accept()
            except OSError:
                return
            self.open.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        head = b""
        while b"\r\n\r\n" not in head:
            more = connection.recv(1)
            if not more:
                return
            head += more
        self.heads.append(head.decode())
        if self.hang:
            return
        wanted = self.credentials and "Proxy-Authorization: Basic " + base64.b64encode(self.credentials.encode()).decode()
        if wanted and wanted not in self.heads[-1]:
            connection.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\nConnection: close\r\n\r\n")
            return connection.close()
        if self.answer:
            connection.sendall(self.answer)
            return connection.close()
        port = int(self.heads[-1].split(" ")[1].rsplit(":", 1)[1])
        try:
            far = socket.create_connection(("127.0.0.1", port))
        except OSError:
            return connection.close()
        self.open.append(far)
        connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        threading.Thread(target=self._copy, args=(far, connection), daemon=True).start()
        self._copy(connection, far, keep=True)

    def _copy(self, source, to, keep=False):
        try:
            while data := source.recv(65536):
                if keep:
                    self.bytes += data
                to.sendall(data)
            to.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def close(self):
        for each in self.open:
            each.close()


class SecureFleet:
    """What tests of such a daemon have besides FleetTest."""

    def secure_daemon(self, *settings, name="daemon", certificate="server", **kwargs):
        """One that trusts nobody on TCP; the tests themselves come over its UNIX socket."""
        d = self.daemon(name, settings=[f"tls.certificate={pem(certificate)}", f"tls.key={key(certificate)}", "tls.required=yes",
                                        "auth.required=yes", "auth.trust_loopback=no", *settings], **kwargs)
        d.socket = f"valkyrie+unix://{d.state_dir}/sigrun.sock"
        return d

    def cli(self, url, *arguments, token=None, ca="ca", check=None, env=None):
        full = {k: v for k, v in os.environ.items() if not k.startswith("SIGRUN_TOKEN")}
        full.update(SIGRUN_URL=url, NO_COLOR="1", **(env or {}))
        if token:
            full["SIGRUN_TOKEN"] = token
        words = [str(BIN / "sigrun"), *map(str, arguments)]
        if ca:
            words[1:1] = ["--ca", pem(ca)]
        done = subprocess.run(words, capture_output=True, text=True, env=full, timeout=60)
        if check is not None:
            self.assertEqual(done.returncode, check, done.stdout + done.stderr)
        return done

    def admin(self, d, *arguments):
        return self.cli(d.socket, *arguments, ca=None, check=0).stdout

    def token(self, d, *arguments):
        return self.admin(d, "token", "create", *arguments).strip()

    def runner_status(self, d, name, *statuses):
        def look():
            done = self.cli(d.socket, "runner", "show", name, "-o", "json", ca=None)
            return done.returncode == 0 and json.loads(done.stdout)["status"] in statuses
        wait_until(f"{name} is {statuses}", look)

    def metric(self, d, part):
        text = subprocess.run(["curl", "-s", "--unix-socket", f"{d.state_dir}/sigrun.sock", "http://localhost/metrics"],
                              capture_output=True, text=True, timeout=30).stdout
        return sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line.startswith(part))

    def s_client(self, d, *options, send=""):
        return subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{d.port}", "-CAfile", pem("ca"), "-verify_return_error",
                               "-quiet", *options], input=send, capture_output=True, text=True, timeout=30)

    def curl(self, d, path, *options, host="localhost"):
        return subprocess.run(["curl", "-sS", "--max-time", "20", "--cacert", pem("ca"), *options, f"https://{host}:{d.port}{path}"],
                              capture_output=True, text=True)
