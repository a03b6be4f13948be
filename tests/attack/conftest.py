"""The installation of the integration tests: real servers, real workers."""

from tests.integration.conftest import hospital

__all__ = ["hospital"]
