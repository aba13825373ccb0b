"""Sound from files: one, several, or folders of them."""

from __future__ import annotations

import hashlib
import logging
import os
import stat
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from asd_edge.calibration.audio.channels import Channel, require_channel
from asd_edge.calibration.audio.sound_file import ENDINGS, SoundFile, reason_of
from asd_edge.calibration.audio.windowing import require_length
from asd_edge.calibration.contract.references import Recording
from asd_edge.calibration.dcase.data_set import domain_of
from asd_edge.calibration.errors import SoundError
from asd_edge.calibration.value_types import checked
from asd_edge.calibration.wording import counted
from asd_edge.runtime.sources.flac_recorder import UNFINISHED
from asd_edge.runtime.sources.piped_sound import PipedSound
from asd_edge.runtime.sources.source import Block, Event, Source, SourceRequest, paced

log = logging.getLogger(__name__)

_BLOCK_S = 1.0
_REALTIME_BLOCK_S = 0.5
"""Sound that is played at its own pace comes in shorter blocks, so that a window is late by half a second at most."""
_OTHER_ENDINGS = (".opus", ".oga", ".mp3", ".aif", ".aiff", ".aifc", ".au", ".caf", ".w64", ".rf64", ".voc", ".sph")
"""The endings of files that are heard when they are named, and not from a folder."""
_DIGEST_BYTES = 1 << 20
"""Files are told apart by so many bytes from each end: enough to differ, and quick for hours of sound."""


@dataclass
class _Input:
    """A file that is heard, or that cannot be."""

    path: Path
    name: str
    """what it is called in messages and scores"""
    opened: Path
    """what is opened: the path, or where sound from a pipe lies"""
    piped: PipedSound | None = None
    """what came out of it, where it is a pipe; it lives as long as this"""
    error: SoundError | None = None
    """why it cannot be heard"""
    duration_s: float = 0.0


class FileSource(Source):
    """Sound from files, each a recording of its own.

    A path or a file among several that cannot be used is told by an event, and the others are heard.

    Args:
        paths: One path or several, of files, of pipes, or of folders whose files are taken in the order of their names.
            Hidden files are none.
        realtime: Whether to give the sound at the pace it was recorded at.
        channel: The channel that will be used; files that do not have it cannot be.

    Attributes:
        files: The files that can be used, in the order in which they are heard.

    Raises:
        SoundError: There is no path, or none of the files can be used.
    """

    @checked
    def __init__(self, paths: str | Path | Sequence[str | Path], realtime: bool = False, channel: Channel = 1) -> None:
        given = [Path(path) for path in ([paths] if isinstance(paths, (str, Path)) else paths)]
        if not given:
            raise SoundError(
                "There is no path of sound.",
                got="an empty list",
                valid="one path or several, of files or folders",
                next_step='write FileSource("recordings")',
            )
        self._inputs = [each for path in given for each in _expand(path, alone=len(given) == 1)]
        for each in self._inputs:
            _look_at(each, channel)
        usable = [each for each in self._inputs if each.error is None]
        if not usable:
            raise next(each.error for each in self._inputs if each.error is not None)
        self.files = tuple(each.path for each in usable)
        self.live = realtime
        self.name = _name(given[0]) if len(given) == 1 else f"{counted(len(self.files), 'file')}"
        self.duration_s = sum(each.duration_s for each in usable)
        self._longest_s = max(each.duration_s for each in usable)

    @classmethod
    def open(cls, request: SourceRequest) -> FileSource:
        """Open ``files:PATH``."""
        return cls(request.address, request.realtime, request.channel)

    @property
    def longest_s(self) -> float:
        """How long the longest file is, in seconds."""
        return self._longest_s

    def sound(self, stop: threading.Event) -> Iterator[Block | Event]:
        """Give the blocks of the files in order; see `Source`."""
        block_s = _REALTIME_BLOCK_S if self.live else _BLOCK_S
        items = (item for each in self._inputs for item in self._heard(each, block_s))
        for item in paced(items, stop) if self.live else items:
            if stop.is_set():
                return
            yield item

    def _heard(self, each: _Input, block_s: float) -> Iterator[Block | Event]:
        """The sound of a file, and an event where it cannot be used."""
        error, heard_s = each.error, 0.0
        if error is None:
            try:
                for block in _blocks(each, block_s):
                    heard_s = block.start_s + len(block.samples) / block.rate_hz
                    yield block
            except SoundError as raised:
                error = raised
                if len(self._inputs) == 1:
                    raise
        if error is not None:
            yield Event("failed", each.name, round(heard_s, 4), error.what)


def _expand(path: Path, alone: bool) -> list[_Input]:
    """The files that a path names. What is wrong with the path is an error where it is alone."""
    try:
        kind = path.stat().st_mode
        inputs = [_input(file, mode) for file, mode in (_sounds_in(path) if stat.S_ISDIR(kind) else [(path, kind)])]
        if inputs:
            return inputs
        error = SoundError(
            "The folder holds no sound files.",
            got=path,
            valid=f"files ending in {', '.join(ENDINGS)}, directly in it",
            next_step="name the folder that holds the files themselves",
        )
    except (OSError, ValueError) as raised:
        missing = isinstance(raised, (FileNotFoundError, NotADirectoryError)) and not os.path.lexists(path)
        error = SoundError(
            "There is no such sound file or folder."
            if missing
            else f"The path cannot be opened as sound: {reason_of(raised)}.",
            got=path,
            valid=f"a file ({', '.join(ENDINGS)}), a folder of them, or a pipe",
            next_step="check the path",
        )
    if alone:
        raise error
    return [_Input(path, _name(path), path, error=error)]


def _sounds_in(folder: Path) -> Iterator[tuple[Path, int]]:
    """The files of a folder that hold sound by their names, and the mode of each."""
    others = 0
    for file in sorted(folder.iterdir()):
        others += file.suffix.lower() in _OTHER_ENDINGS and not file.name.startswith(".")
        if file.name.startswith("."):
            if file.name.endswith(UNFINISHED):
                log.info(
                    "left out: %s: it is not finished (it can be heard when it is renamed to end in .flac)",
                    file,
                )
        elif file.suffix.lower() in ENDINGS:
            try:
                mode = file.stat().st_mode
            except OSError:
                mode = stat.S_IFREG  # opening it tells what is wrong
            if stat.S_ISREG(mode):
                yield file, mode
    if others:
        of_a_folder = ", ".join(ENDINGS)
        log.info("left out: %s of %s that do not end in %s", counted(others, "sound file"), folder, of_a_folder)


def _input(path: Path, mode: int) -> _Input:
    name = _name(path)
    if stat.S_ISFIFO(mode):
        piped = PipedSound(path)
        return _Input(path, name, piped.path, piped)
    if not stat.S_ISREG(mode):
        raise OSError("it is neither a file, a folder nor a pipe")
    return _Input(path, name, path)


def _name(path: Path) -> str:
    r"""The name of a path in messages and scores, in which a byte that is no UTF-8 reads as ``\xe9``."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def _look_at(each: _Input, channel: Channel) -> None:
    """Find out how long a file is, or why it cannot be used."""
    if each.error is None:
        try:
            with SoundFile(each.opened, each.name) as opened:
                require_channel(channel, opened.channels, each.name)
                each.duration_s = require_length(opened.frames / opened.rate_hz, each.name)
        except SoundError as error:
            each.error = error


def _blocks(each: _Input, block_s: float) -> Iterator[Block]:
    with SoundFile(each.opened, each.name) as opened:
        recording = Recording(_digest(opened), each.name, domain_of(each.path))
        rate_hz, done = opened.rate_hz, 0
        for samples in opened.blocks(max(1, int(block_s * rate_hz))):
            start_s = done / rate_hz
            done += len(samples)
            yield Block(samples, rate_hz, recording, start_s, last=done >= opened.frames)


def _digest(opened: SoundFile) -> str:
    """A digest that tells files of other content apart, by their size, beginning and end."""
    content = opened.content
    digest = hashlib.sha256(str(content.size).encode())
    digest.update(content.read(0, _DIGEST_BYTES))
    digest.update(content.read(max(0, content.size - _DIGEST_BYTES), _DIGEST_BYTES))
    return digest.hexdigest()
