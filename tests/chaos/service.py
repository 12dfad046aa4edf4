"""A program that is started again whenever it ends, as a service manager would do it, and that remembers which ends were asked for."""
import signal
import threading


class Service:
    def __init__(self, name, start, excused=lambda pid: False):
        """`start` returns a running harness.Program; `excused` says whether the harness is why that one ended."""
        self.name, self._start, self._excused = name, start, excused
        self.lives, self.unexpected = [], []
        self._lock = threading.Lock()
        self._told, self._away = None, 0.0
        self._over, self._hurry = threading.Event(), threading.Event()
        self.lives.append(start())
        self._keeper = threading.Thread(target=self._keep, daemon=True)
        self._keeper.start()

    @property
    def now(self):
        return self.lives[-1]

    def running(self):
        return self.now.process.poll() is None

    def end(self, how, away):
        """Sends the signal that ends it; it is started again `away` seconds after its end. False: it was away already."""
        with self._lock:
            if not self.running() or self._told is not None:
                return False
            self._told, self._away = how, away
            self.now.process.send_signal(how)
            return True

    def signal(self, what):
        """To the program that runs; returns it, or None when there is none."""
        with self._lock:
            if not self.running():
                return None
            self.now.process.send_signal(what)
            return self.now

    def hurry(self):
        """From now on it is started again at once."""
        self._hurry.set()

    def stop(self):
        """Asks it to end, and starts it no more; its exit code, or None if it had to be killed after a minute."""
        self._over.set()
        self._hurry.set()
        with self._lock:
            self._told = signal.SIGTERM
            for what in (signal.SIGTERM, signal.SIGCONT):
                self.now.process.send_signal(what)
        self._keeper.join(60)
        if self._keeper.is_alive():
            self.now.process.kill()
            self._keeper.join()
            return None
        return self.now.process.returncode

    def _keep(self):
        while True:
            code = self.now.process.wait()
            with self._lock:
                told, away = self._told, self._away
            if told is None and not self._excused(self.now.pid):
                self.unexpected.append(code)
                away = 1.0  # one that cannot start at all must not keep the machine busy
            if self._over.is_set():
                return
            self._hurry.wait(away)
            with self._lock:
                if self._over.is_set():
                    return
                self._told = None
                self.lives.append(self._start())
