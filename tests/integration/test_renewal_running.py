"""A certificate that runs out is replaced in the running product, and both public ports serve it; nothing restarts."""

from __future__ import annotations

import asyncio
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from quietline.config import Config
from quietline.telephony.certificates import LEAF_DAYS, Issued, certificate_paths, issue, names_of
from quietline.telephony.private_files import owner_ids, write_private
from quietline.testing.site import Site, sample_config

pytestmark = pytest.mark.real


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    """Below /tmp itself, for the parts run under user ids that may not enter pytest's folder."""
    folder = Path(tempfile.mkdtemp(prefix="quietline-renewal-"))
    folder.chmod(0o755)
    try:
        async with Site(sample_config(folder)) as site:
            yield site
    finally:
        shutil.rmtree(folder)


def put_ten_day_certificate(config: Config) -> None:
    """As if it had been issued a year ago."""
    folder, files = config.paths.state / "ca", certificate_paths(config)
    key = serialization.load_pem_private_key((folder / "ca.key").read_bytes(), None)
    ca = Issued(x509.load_pem_x509_certificate((folder / "ca.pem").read_bytes()), key)  # type: ignore[arg-type]
    leaf = issue(ca, config.edge.realm, names_of(config), datetime.now(UTC) - timedelta(days=LEAF_DAYS - 10))
    write_private(files.key, leaf.key_pem, 0o400, owner_ids(config.users.edge))
    write_private(files.certificate, leaf.certificate_pem, 0o444, owner_ids(config.users.edge))


async def served(site: Site, port: int) -> x509.Certificate:
    """The certificate that this port shows."""
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=site.tls())
    tls = writer.get_extra_info("ssl_object")
    writer.close()
    return x509.load_der_x509_certificate(tls.getpeercert(binary_form=True))


async def test_a_certificate_that_runs_out_is_replaced_and_served(site: Site) -> None:
    before, first = await site.lives(), certificate_paths(site.config).certificate
    ports = (site.config.edge.tls_port, site.config.edge.wss_port, site.config.web.port)
    put_ten_day_certificate(site.config)
    old = x509.load_pem_x509_certificate(first.read_bytes())
    assert site.process
    site.process.send_signal(signal.SIGHUP)
    async with asyncio.timeout(30):
        while (new := x509.load_pem_x509_certificate(first.read_bytes())) == old:
            await asyncio.sleep(0.1)
        assert new.not_valid_after_utc - old.not_valid_after_utc > timedelta(days=LEAF_DAYS - 11)
        for port in ports:
            while await served(site, port) != new:
                await asyncio.sleep(0.1)
    assert await site.lives() == before
