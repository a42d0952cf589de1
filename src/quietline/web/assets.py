"""The page's files, read once at start: nothing is read from disk while serving, so no path can lead anywhere."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from quietline.errors import ConfigError

BUNDLE = Path(__file__).parent / "static" / "bundle"
REQUIRED = (
    "desk.js",
    "desk.css",
    "floor.js",
    "floor.css",
    "security.js",
    "security.css",
    "receipt.js",
    "receipt.css",
    "theme.js",
)
TYPES = {
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".woff2": "font/woff2",
    ".svg": "image/svg+xml",
}


@dataclass(frozen=True, slots=True)
class Asset:
    """One file of the page."""

    body: bytes
    media_type: str


@dataclass(frozen=True, slots=True)
class Assets:
    """Files by name. `version` is a digest of all of them and part of their address, so they may be cached for ever."""

    files: dict[str, Asset]
    version: str


def assets_of(contents: dict[str, bytes]) -> Assets:
    """From names and bytes; a type that is not listed is left out."""
    digest = hashlib.sha256()
    for name in sorted(contents):
        digest.update(name.encode() + b"\0" + hashlib.sha256(contents[name]).digest())
    served = ((name, body, TYPES.get(Path(name).suffix)) for name, body in contents.items())
    files = {name: Asset(body, media_type) for name, body, media_type in served if media_type}
    return Assets(files, digest.hexdigest()[:16])


def load_assets(folder: Path = BUNDLE) -> Assets:
    """Read the bundle. Raises ConfigError when it was not built."""
    contents = {path.name: path.read_bytes() for path in sorted(folder.glob("*")) if path.is_file()}
    missing = [name for name in REQUIRED if name not in contents]
    if missing:
        raise ConfigError(f"web: {missing[0]} is missing in {folder.name}; run `npm ci && npm run build`")
    return assets_of(contents)
