"""The key service of who runs OpenBao: its transit engine keeps the KEKs, and we never see one.

    byte 0       format version, 1
    rest         what transit answered: "vault:v<version of the KEK>:<base64>"

The context goes along as associated data (https://openbao.org/api-docs/secret/transit/: only with AEAD keys, and
`rewrap` fails with it; so rotation unwraps and wraps). hvac, its client, is loaded only where it is used.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import Any, TypeVar

import hvac
import requests
from hvac import exceptions as refusals

from quietline.config import OpenBao
from quietline.errors import ConfigError, QuietlineError, TamperError, Unavailable

T = TypeVar("T")
WRAP_VERSION = 1
AEAD = frozenset({"aes128-gcm96", "aes256-gcm96", "chacha20-poly1305", "xchacha20-poly1305"})
NOT_LET_IN = (refusals.Forbidden, refusals.Unauthorized)
_ANSWER = re.compile(rb"vault:v([1-9][0-9]{0,8}):[A-Za-z0-9+/]+={0,2}")


class OpenBaoKms:
    """A transit key. See `ports.Kms`. Each call is a round trip; safe from several threads.

    Making it asks the server for the key's version. Raises ConfigError for a missing key or one without associated
    data, Unavailable where the server does not answer or lets us not in.
    """

    def __init__(self, settings: OpenBao) -> None:
        self._settings = settings
        self._guard = Lock()
        self._client = self._sign_in()
        self._version = 0
        self.refresh()

    @property
    def key_id(self) -> str:
        return self._name(self._version)

    @property
    def versions(self) -> tuple[int, ...]:
        """Versions of the KEK that still open something, by the server's word."""
        known = self._read()
        least = int(known["min_decryption_version"])
        return tuple(sorted(version for version in map(int, known["keys"]) if version >= least))

    def __repr__(self) -> str:
        return f"OpenBaoKms({self.key_id})"

    def refresh(self) -> None:
        """Ask which version wraps now."""
        known = self._read()
        if known["type"] not in AEAD:
            raise ConfigError(
                f"[openbao] key: {self._settings.key} is of type {known['type']}; want one of {', '.join(sorted(AEAD))}"
            )
        self._version = int(known["latest_version"])

    def wrap(self, key: bytes, context: bytes) -> bytes:
        given = {"plaintext": b64encode(key).decode(), "associated_data": b64encode(context).decode()}
        answer = self._ask(lambda transit, where: transit.encrypt_data(plaintext=given["plaintext"],
                           associated_data=given["associated_data"], **where))  # fmt: skip
        wrapped = bytes((WRAP_VERSION,)) + str(answer["data"]["ciphertext"]).encode()
        self._version = max(self._version, _version_of(wrapped))
        return wrapped

    def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        _version_of(wrapped)
        text, bound = wrapped[1:].decode(), b64encode(context).decode()
        answer = self._ask(lambda transit, where: transit.decrypt_data(ciphertext=text, associated_data=bound, **where),
                           TamperError("kms: the wrapped key does not belong here, was changed, or its KEK is no more")
                           )  # fmt: skip
        return b64decode(answer["data"]["plaintext"])

    def wrapped_by(self, wrapped: bytes) -> str:
        return self._name(_version_of(wrapped))

    def rotate(self) -> None:
        """A new version wraps from now on; the older ones stay. Raises Unavailable where the server says no."""
        self._ask(lambda transit, where: transit.rotate_key(**where))
        self.refresh()

    def drop(self, version: int) -> None:
        """Destroy every version up to this one: transit knows no other way. Raises ConfigError for the present one."""
        if not 0 < version < self._version:
            raise ConfigError(f"[openbao] key: version {version} is not an old one")
        least = version + 1
        # Two calls: hvac's own check of both together is wrong.
        self._ask(lambda transit, where: transit.update_key_configuration(min_encryption_version=least, **where))
        self._ask(lambda transit, where: transit.update_key_configuration(min_decryption_version=least, **where))
        self._ask(lambda transit, where: transit.trim_key(min_version=least, **where))

    def _name(self, version: int) -> str:
        return f"{self._settings.mount}/{self._settings.key}.{version}"

    def _read(self) -> dict[str, Any]:
        try:
            found: dict[str, Any] = self._ask(lambda transit, where: transit.read_key(**where))["data"]
        except refusals.InvalidPath:
            raise ConfigError(
                f"[openbao] key: {self._settings.mount} has no key {self._settings.key}; make it, type aes256-gcm96"
            ) from None
        return found

    def _ask(self, question: Callable[[Any, dict[str, str]], T], refused: QuietlineError | None = None) -> T:
        """One question; once more after a new sign-in, for a token of an AppRole ends by itself.

        `refused` is raised where the server finds fault with the question.
        """
        where = {"name": self._settings.key, "mount_point": self._settings.mount}
        try:
            try:
                return _reaching(lambda: question(self._client.secrets.transit, where))
            except NOT_LET_IN:
                with self._guard:
                    self._client = self._sign_in()
                return _reaching(lambda: question(self._client.secrets.transit, where))
        except NOT_LET_IN:
            raise Unavailable("kms: OpenBao lets us not do that; see the policy of our token or role") from None
        except refusals.InvalidRequest:
            raise refused or Unavailable("kms: OpenBao refused the request; see its audit log") from None

    def _sign_in(self) -> hvac.Client:
        settings = self._settings
        reach: dict[str, Any] = {"verify": settings.ca or True, "timeout": settings.timeout_seconds}
        client = hvac.Client(url=settings.url, **reach)  # type: ignore[no-untyped-call]
        if settings.token_file:
            client.token = _secret("token_file", settings.token_file)
            return client
        role, secret = (_secret(name, getattr(settings, name)) for name in ("role_id_file", "secret_id_file"))
        try:
            _reaching(lambda: client.auth.approle.login(role_id=role, secret_id=secret))
        except (refusals.InvalidRequest, *NOT_LET_IN):
            raise Unavailable("kms: OpenBao refused our AppRole; see role_id_file and secret_id_file") from None
        return client


def _reaching(ask: Callable[[], T]) -> T:
    """Raises Unavailable for what is no answer: no connection, a timeout, a sealed server, an error of its own."""
    try:
        return ask()
    except requests.RequestException as error:
        raise Unavailable(f"kms: OpenBao does not answer ({type(error).__name__})") from None
    except (refusals.InvalidRequest, refusals.InvalidPath, *NOT_LET_IN):
        raise
    except refusals.VaultError as error:
        raise Unavailable(f"kms: OpenBao cannot answer ({type(error).__name__})") from None


def _version_of(wrapped: bytes) -> int:
    found = _ANSWER.fullmatch(wrapped, 1) if wrapped[:1] == bytes((WRAP_VERSION,)) else None
    if not found:
        raise TamperError("kms: not wrapped by this key service, or damaged")
    return int(found[1])


def _secret(name: str, path: str) -> str:
    """A file's only line. Raises ConfigError without repeating it."""
    if not path:
        raise ConfigError("[openbao]: want token_file, or role_id_file and secret_id_file")
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        raise ConfigError(f"[openbao] {name}: {path} cannot be read by the vault's user") from None
