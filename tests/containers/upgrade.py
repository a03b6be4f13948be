"""`python -m tests.containers.upgrade`: the compose file gets a new image while 50 messages a second come in; then it
is stopped whole and started again. The judge of the chaos campaigns looks at all of it.

Variables as in tests/chaos/containers.py: CHAOS_IMAGE, CHAOS_RATE, CHAOS_BUSY, CHAOS_WRITE.
"""

import os
import subprocess
import sys

from tests.chaos.against_containers import Blow, Order
from tests.chaos.compose import STARTS_WITHIN, Composed
from tests.chaos.containers import carry_out

AGAIN_WITHIN = 30.0


def next_image(image: str) -> str:
    """The same under another tag and with another id, as the next release has."""
    text = f"FROM {image}\nLABEL release=next\n"
    subprocess.run(["docker", "build", "--quiet", "--tag", f"{image}-next", "-"], input=text, text=True, check=True)  # noqa: S603, S607
    return f"{image}-next"


def _upgrade(stand: Composed, *_: str) -> None:
    stand.project.configure(stand.receiver, next_image(stand.project.image))
    stand.project.up()


def _down_and_up(stand: Composed, *_: str) -> None:
    stand.project.compose("down", timeout=STARTS_WITHIN)
    stand.project.up()


UPGRADED = Blow("upgraded", _upgrade)
DOWN_AND_UP = Blow("down, up", _down_and_up)


if __name__ == "__main__":
    os.environ.setdefault("CHAOS_RATE", "50")
    os.environ.setdefault("CHAOS_SECONDS", "400")
    order = Order(agenda=(("redis", UPGRADED), ("redis", DOWN_AND_UP)))
    sys.exit(carry_out(order, "python -m tests.containers.upgrade", "upgrade"))
