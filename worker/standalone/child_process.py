"""Child processes that die with their parent, even if the parent is killed and cannot end them (PDEATHSIG)."""

import ctypes
import os
import signal
import sys
from collections.abc import Callable

_PR_SET_PDEATHSIG = 1


def die_with_parent() -> Callable[[], None] | None:
    """A `preexec_fn` for Popen: the child asks the kernel to end it when its parent dies. None outside Linux.

    The kernel watches the *thread* that starts the child: start it from a thread that outlives the child.
    """
    if sys.platform != "linux":
        return None
    # Loaded before the fork: after it, only the one call below is safe.
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    parent = os.getpid()

    def ask() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
        if os.getppid() != parent:  # the parent died before the call
            os._exit(1)

    return ask
