"""A relay and the sample business, as processes in a directory of their own."""

import contextlib
import os
import re
import signal
import subprocess
import threading
from pathlib import Path
from queue import Empty, Queue

WAIT_SECONDS = 30
LINK = re.compile(r"plico://\S+")


class Process:
    """A program whose lines are waited for, and that is killed in the end."""

    def __init__(self, arguments: list[str], home: Path, log: str):
        self.log = home / log
        self.process = subprocess.Popen(
            arguments, cwd=home, stdout=subprocess.PIPE, stderr=self.log.open("ab"), text=True
        )
        self.lines: Queue[str | None] = Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        for line in self.process.stdout:
            self.lines.put(line)
        self.lines.put(None)

    def line_with(self, part: str) -> str:
        """The next line that holds `part`."""
        while True:
            try:
                line = self.lines.get(timeout=WAIT_SECONDS)
            except Empty:
                line = None
            if line is None:
                raise RuntimeError(f"no line with {part!r}; errors:\n{self.log.read_text()}")
            if part in line:
                return line

    def kill(self) -> None:
        """kill -9: nothing is put in order."""
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGKILL)
        self.process.wait()


class Servers:
    """`with Servers(programs, home) as servers:` starts both, and ends both."""

    def __init__(self, programs: Path, home: Path):
        self.relay_program, self.plico = str(programs / "plico-relay"), str(programs / "plico")
        self.home = home
        self.running: dict[str, Process] = {}

    def __enter__(self) -> "Servers":
        try:
            relay_link = self.start_relay("127.0.0.1:0")
            self._certify(relay_link)
            rules = str(Path(__file__).with_name("shop.toml"))
            serving = [self.plico, "business", "serve", "--rules", rules, "--json"]
            self._start("business", serving).line_with('"ready"')
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_) -> None:
        for process in self.running.values():
            process.kill()

    def start_relay(self, listen: str) -> str:
        """Starts the relay, or starts it again; returns its link."""
        relay = self._start("relay", [self.relay_program, "serve", "--listen", listen])
        link = LINK.search(relay.line_with("plico://")).group()
        relay.line_with("ready")
        return link

    def kill_relay(self) -> None:
        self.running["relay"].kill()

    def link(self, ref: str) -> str:
        return LINK.search(self._run(self.plico, "business", "link", "--ref", ref)).group()

    def _certify(self, relay_link: str) -> None:
        names = ("--handle", "corner-shop", "--name", "The Corner Shop", "--domain", "shop.example")
        self._run(self.plico, "business", "init", *names)
        self._run(self.relay_program, "business", "verify", "corner-shop.request", "--checked", "dns")
        self._run(
            self.plico, "business", "install-certificate", "corner-shop.certificate", "--relay", relay_link
        )
        self._run(self.plico, "business", "profile", "--description", "Bread, and keys cut while you wait.")

    def _start(self, name: str, arguments: list[str]) -> Process:
        self.running[name] = Process(arguments, self.home, f"{name}.log")
        return self.running[name]

    def _run(self, *arguments: str) -> str:
        environment = {key: value for key, value in os.environ.items() if not key.startswith("PLICO_")}
        done = subprocess.run(
            arguments, cwd=self.home, env=environment, capture_output=True, text=True, timeout=WAIT_SECONDS
        )
        if done.returncode:
            raise RuntimeError(f"{' '.join(arguments[:3])} failed: {done.stderr}")
        return done.stdout
