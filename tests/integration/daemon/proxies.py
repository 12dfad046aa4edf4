"""HAProxy and nginx as they come with Debian, in front of a daemon: instances of the test's own, without rights, with their files in
its folder. Each has a port `stream` that carries bytes (Valkyrie and everything else), `http` (HTTP/1.1 and WebSocket) and `grpc`
(HTTP/2 in the clear)."""
import os
import pathlib
import re
import signal
import socket
import subprocess

from harness import Program, free_port, wait_until

SCHEMES = {"valkyrie": "stream", "http": "http", "websocket": "http", "grpc": "grpc"}


def found(program):
    for folder in (*os.environ.get("PATH", "").split(":"), "/usr/sbin", "/sbin"):
        if folder and os.access(f"{folder}/{program}", os.X_OK):
            return f"{folder}/{program}"
    raise AssertionError(f"{program} is missing; etc/install-deps.sh installs it")


def accepts(port):
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", port)) == 0


class Front:
    """What both have in common. `idle`: after how many silent seconds a stream or a request is cut; `linger`: how long the
    connections of a process that was replaced may go on."""

    def __init__(self, folder, target, idle=60, linger=1):
        self.folder, self.target, self.idle, self.linger = pathlib.Path(folder), target, idle, linger
        self.folder.mkdir(parents=True, exist_ok=True)
        self.ports = {name: free_port() for name in ("stream", "http", "grpc")}
        self.programs = []

    def url(self, protocol):
        scheme = {"websocket": "ws"}.get(protocol, protocol)
        return f"{scheme}://127.0.0.1:{self.ports[SCHEMES[protocol]]}"

    def run(self, *argv):
        self.programs.append(Program(argv, cwd=self.folder))
        return self.programs[-1]

    def wait_up(self):
        wait_until("the proxy listens", lambda: all(accepts(p) for p in self.ports.values()))
        return self

    def pids(self):
        """Every process of this instance: they are started in its folder."""
        out = []
        for entry in pathlib.Path("/proc").iterdir():
            try:
                if entry.name.isdigit() and os.readlink(entry / "cwd") == str(self.folder) and int(entry.name) != os.getpid():
                    out.append(int(entry.name))
            except OSError:
                pass
        return out

    def stop(self):
        for pid in self.pids():
            try:
                os.kill(pid, signal.SIGKILL)
            except OSError:
                pass
        for p in self.programs:
            p.process.wait()
            p._reader.join(5)
            p.process.stdout.close()


class HAProxy(Front):
    """`master`: master and workers, replaced by SIGUSR2; else single processes, each started with -sf of the one before."""

    def __init__(self, *args, master=False, **kwargs):
        super().__init__(*args, **kwargs)
        self.master = master
        (self.folder / "haproxy.cfg").write_text(f"""
global
    stats socket {self.folder}/control mode 600 level admin expose-fd listeners
    hard-stop-after {self.linger}s
defaults
    timeout connect 5s
    timeout client {self.idle}s
    timeout server {self.idle}s
    timeout tunnel {self.idle}s
    timeout http-keep-alive {self.idle}s
frontend stream
    mode tcp
    bind 127.0.0.1:{self.ports['stream']}
    default_backend stream
backend stream
    mode tcp
    server d 127.0.0.1:{self.target}
frontend http
    mode http
    bind 127.0.0.1:{self.ports['http']}
    bind 127.0.0.1:{self.ports['grpc']} proto h2
    use_backend grpc if {{ req.hdr(content-type) -m beg application/grpc }}
    default_backend http
backend http
    mode http
    server d 127.0.0.1:{self.target}
backend grpc
    mode http
    server d 127.0.0.1:{self.target} proto h2
""")
        self.command = [found("haproxy"), "-W" if master else "-db", "-f", "haproxy.cfg"]
        self.run(*self.command)
        self.wait_up()

    def restart(self):
        before = set(self.pids())
        if self.master:
            os.kill(self.programs[0].pid, signal.SIGUSR2)
            wait_until("another worker", lambda: len(set(self.pids()) - before) > 0)
        else:
            self.run(*self.command, "-x", self.folder / "control", "-sf", self.programs[-1].pid)
        kept = {self.programs[0].pid} if self.master else set()
        wait_until("the former process is gone", lambda: not (before - kept) & set(self.pids()))


class Nginx(Front):
    """`bare` is a further port of HTTP on nothing but nginx's defaults, which are HTTP/1.0 and a buffer for every answer."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.ports["bare"] = free_port()
        here = self.folder
        paths = "\n".join(f"    {kind}_temp_path {here}/{kind};"
                          for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        (here / "nginx.conf").write_text(f"""
{'user root root;' if os.geteuid() == 0 else ''}
load_module /usr/lib/nginx/modules/ngx_stream_module.so;
worker_processes 1;
worker_shutdown_timeout {self.linger}s;
pid {here}/nginx.pid;
error_log {here}/error.log warn;
events {{ worker_connections 2048; }}
stream {{
    server {{
        listen 127.0.0.1:{self.ports['stream']};
        proxy_pass 127.0.0.1:{self.target};
        proxy_timeout {self.idle}s;
    }}
}}
http {{
    access_log off;
{paths}
    map $http_upgrade $connection_upgrade {{ default upgrade; '' ''; }}
    upstream daemon {{ server 127.0.0.1:{self.target}; keepalive 16; }}
    proxy_read_timeout {self.idle}s;
    grpc_read_timeout {self.idle}s;
    grpc_send_timeout {self.idle}s;
    client_max_body_size 64m;
    server {{
        listen 127.0.0.1:{self.ports['http']};
        location / {{
            proxy_pass http://daemon;
            proxy_http_version 1.1;
            proxy_set_header Host $http_host;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection $connection_upgrade;
        }}
    }}
    server {{
        listen 127.0.0.1:{self.ports['bare']};
        location / {{ proxy_pass http://127.0.0.1:{self.target}; }}
    }}
    server {{
        listen 127.0.0.1:{self.ports['grpc']} http2;
        client_body_timeout {self.idle}s;
        location / {{ grpc_pass grpc://127.0.0.1:{self.target}; }}
    }}
}}
""")
        # As a daemon: in the foreground it would take no other binary.
        self.run(found("nginx"), "-p", here, "-c", here / "nginx.conf", "-e", here / "error.log")
        self.wait_up()

    def stop(self):
        self.programs[0].lines += (self.folder / "error.log").read_text().splitlines()
        super().stop()

    def main_pid(self):
        return int((self.folder / "nginx.pid").read_text())

    def workers(self, of):
        out = []
        for pid in self.pids():
            try:
                stat = pathlib.Path(f"/proc/{pid}/stat").read_text()
                title = pathlib.Path(f"/proc/{pid}/cmdline").read_text()
            except OSError:
                continue
            if int(stat.rsplit(")", 1)[1].split()[1]) == of and "worker process" in title:
                out.append(pid)
        return out

    def restart(self):
        """The configuration is read again: new workers take over."""
        main = self.main_pid()
        before = set(self.workers(main))
        os.kill(main, signal.SIGHUP)
        wait_until("the former workers are gone", lambda: (lambda now: now and not before & now)(set(self.workers(main))))

    def upgrade(self):
        """Another binary takes over (here the same one): USR2, then QUIT to the former."""
        old = self.main_pid()
        os.kill(old, signal.SIGUSR2)

        def new():
            try:
                return self.main_pid() != old and self.workers(self.main_pid())
            except (OSError, ValueError):
                return False
        wait_until("the new binary serves", new)
        os.kill(old, signal.SIGQUIT)
        wait_until("the former is gone", lambda: old not in self.pids())
