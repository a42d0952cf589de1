"""The witness over HTTP: `POST /add-checkpoint`, and nothing else. TLS where a certificate is given."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.concurrency import run_in_threadpool

from quietline.witness.core import Answer, Witness
from quietline.witness.request import MOST_BYTES


@dataclass(frozen=True, slots=True)
class Listen:
    """Where it listens; without a certificate for loopback, or behind something that has one."""

    host: str = "127.0.0.1"
    port: int = 8450
    certificate: Path | None = None
    key: Path | None = None


def build(witness: Witness) -> FastAPI:
    """The application of one route."""
    app = FastAPI(title="Quietline witness", docs_url=None, redoc_url=None, openapi_url=None)

    @app.post("/add-checkpoint")
    async def add_checkpoint(request: Request) -> Response:
        body = await _read(request)
        answer = Answer(413, "too long\n") if body is None else await run_in_threadpool(witness.add_checkpoint, body)
        headers = {"content-type": answer.type, "cache-control": "no-store"}
        return Response(answer.body, answer.status, headers)

    return app


async def _read(request: Request) -> bytes | None:
    """The body, None for one that is longer than any request."""
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > MOST_BYTES:
            return None
    return bytes(body)


def server(witness: Witness, listen: Listen) -> uvicorn.Server:
    """Ready for `run` or `serve`."""
    return uvicorn.Server(
        uvicorn.Config(
            build(witness),
            host=listen.host,
            port=listen.port,
            ssl_certfile=listen.certificate and str(listen.certificate),
            ssl_keyfile=listen.key and str(listen.key),
            log_level="warning",
            access_log=False,
            server_header=False,
            limit_concurrency=64,
            timeout_keep_alive=5,
        )
    )
