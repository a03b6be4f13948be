"""The installation of the integration tests: a real Redis, a real worker, a real HTTP receiver."""

from tests.integration.conftest import hospital

__all__ = ["hospital"]
