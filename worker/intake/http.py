"""The ways in by HTTP: `/messages`, and everything below `/fhir`."""

from functools import partial

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from worker.intake import native
from worker.intake.endpoint import Endpoint, answer
from worker.intake.fhir_service import FhirService


def routes(endpoint: Endpoint) -> list[Route]:
    """The routes of hospital systems."""

    async def messages(request: Request) -> Response:
        return await answer(endpoint, request, native.TYPES, partial(native.take_messages, endpoint))

    service = FhirService(endpoint)
    return [
        Route("/fhir", service),
        Route("/fhir/{rest:path}", service),
        Route("/messages", messages, methods=["POST"]),
    ]
