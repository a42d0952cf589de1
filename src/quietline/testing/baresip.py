"""An independent phone: Debian's baresip 1.0, over TLS and SRTP with keys in SDES, driven through its control socket.

    async with Baresip(site.trunk(), folder, number="+447700900001", tone=730) as phone:
        await phone.dials("+442079460101")
        await phone.answered()
        await phone.press("1")
        assert await phone.hears(1_000)
        await phone.hangs_up()

It is the far side's own program: no code of ours makes or reads its SIP, its SRTP or its sound. Its microphone is a WAV
file; what it hears it writes to another (module `sndfile`), which is measured here.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import struct
import time
import wave
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from types import TracebackType
from typing import Any

from quietline.errors import ProtocolError
from quietline.testing.ports import free_ports
from quietline.testing.tones import amplitude_of, sine
from quietline.testing.wire import Edge

BARESIP = "/usr/bin/baresip"
MODULES = "/usr/lib/baresip/modules"
RATE = 8_000  # samples a second
MICROPHONE_SECONDS = 120  # the file does not loop: longer than any test's call
LOUD = 1_000.0  # as for the simulated caller: a tone through G.711 measures about 8,000
LATEST = RATE * 4 // 10  # samples looked at: the newest 0.4 s
WAV_HEADER = 44  # bytes: RIFF with one plain `fmt ` chunk
STARTS_WITHIN = 10.0
STOPS_WITHIN = 5.0
KEY_GAP = 0.25  # seconds between keys: baresip holds a key down until the next one or its release
RELEASE = "\x04"  # baresip's KEYCODE_REL

CONFIG = """\
poll_method             epoll
sip_listen              127.0.0.1:0
sip_cafile              {ca}
sip_verify_server       yes
{certificate}
call_local_timeout      120
call_max_calls          1
audio_player            aubridge,nobody
audio_source            aufile,{microphone}
audio_alert             aubridge,nobody
ausrc_srate             8000
auplay_srate            8000
ausrc_channels          1
auplay_channels         1
rtp_ports               {rtp}-{rtp_end}
rtcp_mux                no
jitter_buffer_delay     2-10
module_path             {modules}
module                  g711.so
module                  srtp.so
module                  aufile.so
module                  aubridge.so
module                  sndfile.so
module_tmp              uuid.so
module_tmp              account.so
module_app              menu.so
module_app              ctrl_tcp.so
snd_path                {sound}
ctrl_tcp_listen         127.0.0.1:{control}
"""


class Baresip:
    """One phone, one call at a time. `events` keeps what the program said of itself."""

    def __init__(
        self,
        edge: Edge,
        folder: Path,
        *,
        number: str = "+447700900001",
        tone: int = 730,
        media_encryption: str = "srtp-mand",
    ) -> None:
        self.edge, self.folder, self.number, self.tone = edge, folder, number, tone
        self._media_encryption = media_encryption
        self.events: list[dict[str, Any]] = []
        self._control, self._rtp = free_ports(2)
        self._process: asyncio.subprocess.Process | None = None
        self._reader: asyncio.StreamReader
        self._writer: asyncio.StreamWriter
        self._listening: asyncio.Task[None] | None = None
        self._changed = asyncio.Event()

    async def __aenter__(self) -> Baresip:
        self._write_files()
        with (self.folder / "baresip.log").open("ab") as output:
            self._process = await asyncio.create_subprocess_exec(
                *(BARESIP, "-f", str(self.folder)),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        try:
            await self._connect()
        except BaseException:
            await self._stop()
            raise
        self._listening = asyncio.get_running_loop().create_task(self._listen())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._listening:
            self._listening.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._listening
        self._writer.close()
        await self._stop()

    async def _stop(self) -> None:
        """SIGTERM, by our own child's id; SIGKILL when it does not heed."""
        if self._process is None or self._process.returncode is not None:
            return
        self._process.terminate()
        try:
            await asyncio.wait_for(self._process.wait(), STOPS_WITHIN)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()

    # Its files

    def _write_files(self) -> None:
        sound = self.folder / "sound"
        sound.mkdir(parents=True, exist_ok=True)
        microphone = self.folder / "microphone.wav"
        _write_wav(microphone, self.tone)
        (self.folder / "config").write_text(
            CONFIG.format(
                ca=self.edge.ca,
                certificate=self._own_certificate(),
                microphone=microphone,
                rtp=self._rtp - self._rtp % 2,
                rtp_end=self._rtp - self._rtp % 2 + 100,
                modules=MODULES,
                sound=sound,
                control=self._control,
            )
        )
        (self.folder / "accounts").write_text(self._account())
        (self.folder / "contacts").write_text("")

    def _own_certificate(self) -> str:
        """baresip wants certificate and key in one file."""
        if not self.edge.certificate or not self.edge.key:
            return ""
        both = self.folder / "own.pem"
        both.touch(0o600)
        both.write_bytes(self.edge.certificate.read_bytes() + self.edge.key.read_bytes())
        return f"sip_certificate         {both}"

    def _account(self) -> str:
        """No registration; every request goes to the edge's address."""
        edge = self.edge
        encryption = f";mediaenc={self._media_encryption}" if self._media_encryption else ""
        return (
            f"<sip:{self.number}@{edge.name};transport=tls>;regint=0{encryption};audio_codecs=PCMU,PCMA"
            f';outbound="sip:{edge.host}:{edge.port};transport=tls";answermode=manual\n'
        )

    # What a caller does

    async def dials(self, number: str) -> None:
        """INVITE; returns once it is on its way. Raises ProtocolError when baresip says no."""
        self.events.clear()
        await self._command("dial", f"sip:{number}@{self.edge.name}")

    async def answered(self, within: float = 15.0) -> None:
        """Answered, and the first sound has come."""
        await self._until(lambda: self._happened("CALL_ESTABLISHED"), within, "an answer")
        await self._until(lambda: self._happened("CALL_RTPESTAB"), within, "sound")
        await asyncio.sleep(KEY_GAP)

    async def refused(self, within: float = 15.0) -> str:
        """Wait for the call to fail; the reason, such as "488 Not Acceptable Here"."""
        await self._until(lambda: self._happened("CALL_CLOSED"), within, "a refusal")
        return str(next(event for event in self.events if event["type"] == "CALL_CLOSED")["param"])

    async def press(self, keys: str) -> None:
        """Keys by RFC 4733, as its own code sends them."""
        for key in keys:
            await self._command("sndcode", key)
            await asyncio.sleep(KEY_GAP)
            await self._command("sndcode", RELEASE)
            await asyncio.sleep(KEY_GAP / 2)

    async def hangs_up(self) -> None:
        await self._command("hangup")

    async def is_hung_up_on(self, within: float = 10.0) -> None:
        await self._until(lambda: self._happened("CALL_CLOSED"), within, "the far side's hang-up")

    @property
    def suite(self) -> str:
        """The SRTP suite of the call, by its own word; "" without."""
        words = [str(event["param"]) for event in self.events if event["type"] == "CALL_MENC"]
        return words[-1].split(",")[-1] if words else ""

    # What it hears

    async def hears(self, hertz: int, within: float = 10.0, loud: float = LOUD) -> float:
        """The tone's amplitude over the newest 0.4 s, once it is loud. Raises ProtocolError."""
        deadline = time.monotonic() + within
        while (amplitude := self.heard(hertz)) < loud:
            if time.monotonic() > deadline:
                raise ProtocolError(f"baresip hears no {hertz} Hz within {within:g} s (amplitude {amplitude:.0f})")
            await asyncio.sleep(0.2)
        return amplitude

    def heard(self, hertz: int) -> float:
        """Amplitude of a frequency in the newest 0.4 s of what it wrote; 0.0 when it wrote nothing yet."""
        samples = self._newest()
        return amplitude_of(samples, hertz) if len(samples) >= LATEST else 0.0

    def _newest(self) -> list[int]:
        files = sorted((self.folder / "sound").glob("*dec.wav"), key=lambda path: path.stat().st_mtime)
        data = files[-1].read_bytes()[WAV_HEADER:][-2 * LATEST :] if files else b""
        return [each[0] for each in struct.iter_unpack("<h", data[: len(data) // 2 * 2])]

    # Its control socket: JSON in netstrings

    async def _connect(self) -> None:
        deadline = time.monotonic() + STARTS_WITHIN
        while True:
            try:
                self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._control)
            except OSError:
                if time.monotonic() > deadline or (self._process and self._process.returncode is not None):
                    raise ProtocolError(f"baresip does not start; see {self.folder / 'baresip.log'}") from None
                await asyncio.sleep(0.05)
            else:
                return

    async def _command(self, command: str, params: str = "") -> None:
        body = json.dumps({"command": command, "params": params, "token": command}).encode()
        self._writer.write(b"%d:%s," % (len(body), body))
        await self._writer.drain()

    async def _listen(self) -> None:
        async for message in _netstrings(self._reader):
            if message.get("event"):
                self.events.append(message)
            self._changed.set()

    def _happened(self, kind: str) -> bool:
        return any(event["type"] == kind for event in self.events)

    async def _until(self, condition: Callable[[], bool], within: float, what: str) -> None:
        try:
            async with asyncio.timeout(within):
                while not condition():
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            seen = ", ".join(str(event["type"]) for event in self.events)
            raise ProtocolError(f"baresip: {what} did not come in {within:g} s; it saw: {seen or 'nothing'}") from None


async def _netstrings(reader: asyncio.StreamReader) -> AsyncIterator[dict[str, Any]]:
    with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
        while True:
            length = int((await reader.readuntil(b":"))[:-1])
            body = await reader.readexactly(length + 1)
            yield json.loads(body[:-1])


def _write_wav(path: Path, hertz: int) -> None:
    second = struct.pack(f"<{RATE}h", *sine([hertz]))
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(second * MICROPHONE_SECONDS)
