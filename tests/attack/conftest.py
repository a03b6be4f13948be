"""The installation of the integration tests: real servers, real workers."""

from tests.integration.conftest import folder, hospital

__all__ = ["folder", "hospital"]
