"""`python -m worker.gateway`: the same as `cartwatch gateway`."""

from worker.commands.gateway import gateway

gateway()
