"""A folder that only this user can write to, for files that this user's processes share until the machine is restarted.

Anybody can create a file in the temporary folder of a machine. A file that decides where messages go, or whether an
alarm is sent, must lie where nobody else can write.
"""

import os
import stat
import tempfile
from pathlib import Path


def private_folder() -> Path:
    """XDG_RUNTIME_DIR, or a folder of this user below the temporary one. It is created if missing.

    Raises:
        PermissionError: it is no folder of this user, or others can write to it.
    """
    given = os.environ.get("XDG_RUNTIME_DIR")
    folder = Path(given) if given else Path(tempfile.gettempdir()) / f"cartwatch-{os.getuid()}"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o022:
        raise PermissionError(f"{folder} is not a folder that only this user can write to")
    return folder


def open_private(path: Path, flags: int) -> int:
    """Open a plain file of this user. If this call creates it, other users cannot read it.

    Raises:
        OSError: it cannot be opened, or is something else.
    """
    # Without O_NONBLOCK the call would wait on a named pipe in its place.
    file = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o600)
    found = os.fstat(file)
    if stat.S_ISREG(found.st_mode) and found.st_uid == os.getuid():
        return file
    os.close(file)
    raise PermissionError(f"{path} is not a plain file of this user")
