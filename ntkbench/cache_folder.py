"""A folder of entries that can be computed again: private, of limited size, and safe to damage or delete at any time.

Processes may use it at the same time. An entry that is missing, damaged or unreadable counts as never written.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import stat
import time
import zlib
from pathlib import Path

LARGEST_FOLDER = 256 * 2**20  # bytes; the entries that were not used for the longest time are removed beyond
LARGEST_ENTRY = 4 * 2**20  # bytes
CHECK_EVERY = 16 * 2**20  # bytes that a process writes between two checks of the folder's size
LEFT_OVER = 3600.0  # seconds after which a temporary file belongs to a process that was killed
ENTRY, TEMPORARY = ".entry", ".part"
CHECKSUM = hashlib.sha256().digest_size


class CacheFolder:
    """Entries by name, in a folder that only its owner can read and write.

    Attributes:
        path: The folder.
    """

    def __init__(self, path: Path):
        self.path = path
        self._written = CHECK_EVERY  # so that the size is checked at the first entry

    @classmethod
    def opened(cls, path: Path) -> CacheFolder | None:
        """Return the folder, made if it is missing; None if it cannot be made, or if other users could change it."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with contextlib.suppress(FileExistsError):
                path.mkdir(mode=0o700)
            found = path.lstat()
        except OSError:
            return None
        if not stat.S_ISDIR(found.st_mode):
            return None
        # Windows has neither owners nor modes of this kind; a user's folders there are private by inheritance.
        if hasattr(os, "getuid") and (found.st_uid != os.getuid() or found.st_mode & 0o077):
            return None
        return cls(path)

    def read(self, name: str) -> bytes | None:
        """Return the content of an entry; None if it is missing or damaged."""
        path = self.path / f"{name}{ENTRY}"
        try:
            content = path.read_bytes()
            checksum, packed = content[:CHECKSUM], content[CHECKSUM:]
            if hashlib.sha256(packed).digest() != checksum:
                return None
            os.utime(path)  # it was used now
            return zlib.decompress(packed)
        except (OSError, zlib.error):
            return None

    def write(self, name: str, content: bytes) -> None:
        """Write an entry at once, unless it is too large or the disk refuses it. A reader never sees a part of it."""
        packed = zlib.compress(content, 1)
        if len(packed) > LARGEST_ENTRY:
            return
        temporary = self.path / f"{name}.{os.getpid()}-{secrets.token_hex(4)}{TEMPORARY}"
        with contextlib.suppress(OSError):
            try:
                with open(temporary, "xb") as file:
                    file.write(hashlib.sha256(packed).digest() + packed)
                os.replace(temporary, self.path / f"{name}{ENTRY}")
            except BaseException:
                temporary.unlink(missing_ok=True)
                raise
        self._written += len(packed)
        if self._written >= CHECK_EVERY:
            self._written = 0
            self.shrink()

    def shrink(self, largest: int = LARGEST_FOLDER) -> None:
        """Remove what killed processes left, and the entries that were not used for the longest time beyond a size."""
        entries = []
        with contextlib.suppress(OSError), os.scandir(self.path) as files:
            for file in files:
                with contextlib.suppress(OSError):
                    found = file.stat(follow_symlinks=False)
                    if file.name.endswith(ENTRY):
                        entries.append((found.st_mtime, found.st_size, file.path))
                    elif file.name.endswith(TEMPORARY) and time.time() - found.st_mtime > LEFT_OVER:
                        os.unlink(file.path)
        total = sum(size for _, size, _ in entries)
        for _, size, path in sorted(entries):
            if total <= largest:
                break
            with contextlib.suppress(OSError):
                os.unlink(path)
            total -= size
