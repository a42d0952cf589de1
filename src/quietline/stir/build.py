"""The verifier of a configuration, None where it names no roots: then no header is carried or looked at."""

from __future__ import annotations

from pathlib import Path

from quietline.clock import Clock
from quietline.config import Config
from quietline.errors import ConfigError
from quietline.stir.chain import read_roots
from quietline.stir.fetch import CertificateSource, HttpCertificates
from quietline.stir.verify import Verifier


def verifier_of(config: Config, clock: Clock, source: CertificateSource | None = None) -> Verifier | None:
    """Reads the roots' file, so it blocks. Raises ConfigError where that cannot be read."""
    stir = config.stir
    if not stir.roots:
        return None
    try:
        roots = read_roots(Path(stir.roots).read_bytes())
    except OSError as error:
        raise ConfigError(f"stir.roots: cannot be read ({type(error).__name__}); name a PEM file") from None
    fetching = source or HttpCertificates(stir.hosts, stir.fetch_seconds, clock.monotonic)
    return Verifier(fetching, roots, clock.wall, stir.fresh_seconds)
