"""`python -m worker.intake.mllp`: the same as `cartwatch mllp`."""

from worker.commands.mllp import mllp

mllp()
