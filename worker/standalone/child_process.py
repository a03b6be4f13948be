"""Child processes that end with their parent, also when the parent is killed and can end nobody."""

import ctypes
import os
import signal
import sys
from collections.abc import Callable

_PR_SET_PDEATHSIG = 1


def die_with_parent() -> Callable[[], None] | None:
    """What a child does before it becomes its program: ask to be ended when its parent is. For Popen's `preexec_fn`.

    Only Linux can be asked. The kernel means the *thread* that starts the child: call it from one that outlives
    the child, or the child ends with some helper thread.
    """
    if sys.platform != "linux":
        return None
    # Loaded before the fork: after it, only the one call below is safe to make.
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    parent = os.getpid()

    def ask() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
        if os.getppid() != parent:  # it was killed before we could ask
            os._exit(1)

    return ask
