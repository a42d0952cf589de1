"""One contract, every key service: in memory, the sealed file, and transit of a real OpenBao server."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest

from quietline.config import Config, OpenBao, Paths, Vault
from quietline.errors import ConfigError, Denied, TamperError, Unavailable
from quietline.testing.openbao import Bao, running_bao
from quietline.testing.vault import MemoryKms
from quietline.vault import kms_file
from quietline.vault.kms_open import key_house, kind_of
from quietline.vault.kms_openbao import OpenBaoKms
from quietline.vault.ports import Kms

KEY = b"\x07" * 32
PASS = b"correct horse battery"
NUMBERS = count()


@pytest.fixture(scope="module")
def bao(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bao]:
    with running_bao(tmp_path_factory.mktemp("bao")) as server:
        yield server


def make(kind: str, folder: Path, server: Bao | None = None) -> Kms:
    if kind == "memory":
        return MemoryKms()
    if server:
        return OpenBaoKms(server.key(f"k{next(NUMBERS)}"))
    return kms_file.create(folder / "kms.json", PASS, memory_kib=64, passes=1)


@pytest.fixture(params=["memory", "file", pytest.param("openbao", marks=pytest.mark.real)])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def server(kind: str, request: pytest.FixtureRequest) -> Bao | None:
    return request.getfixturevalue("bao") if kind == "openbao" else None


@pytest.fixture
def kms(kind: str, tmp_path: Path, server: Bao | None) -> Kms:
    return make(kind, tmp_path, server)


def test_unwrap_undoes_wrap(kms: Kms) -> None:
    assert kms.unwrap(kms.wrap(KEY, b"here"), b"here") == KEY


def test_wrapping_hides_the_key_and_never_repeats(kms: Kms) -> None:
    one, other = kms.wrap(KEY, b"here"), kms.wrap(KEY, b"here")
    assert one != other
    assert KEY not in one
    assert one[0] == 1  # version byte


def test_another_context_does_not_open(kms: Kms) -> None:
    with pytest.raises(TamperError):
        kms.unwrap(kms.wrap(KEY, b"here"), b"there")


def test_every_flipped_byte_is_found(kms: Kms) -> None:
    wrapped = kms.wrap(KEY, b"here")
    for at in range(len(wrapped)):
        changed = bytearray(wrapped)
        changed[at] ^= 0x80
        with pytest.raises(TamperError):
            kms.unwrap(bytes(changed), b"here")


@pytest.mark.parametrize("junk", [b"", b"\x01", b"\x01" * 20, b"\x02" * 80, b"\x01vault:v1:AAAA", b"\x01vault:v0:AAAA"])
def test_junk_is_refused(kms: Kms, junk: bytes) -> None:
    with pytest.raises(TamperError):
        kms.unwrap(junk, b"here")


def test_another_key_service_does_not_open(kind: str, kms: Kms, tmp_path: Path, server: Bao | None) -> None:
    (tmp_path / "other").mkdir()
    with pytest.raises(TamperError):
        make(kind, tmp_path / "other", server).unwrap(kms.wrap(KEY, b"here"), b"here")


def test_the_key_id_is_named_and_nothing_else_prints(kms: Kms) -> None:
    name, _, version = kms.key_id.rpartition(".")
    assert name
    assert version.isdecimal()


def test_what_wrapped_a_key_is_read_off_it(kms: Kms) -> None:
    assert kms.wrapped_by(kms.wrap(KEY, b"here")) == kms.key_id
    with pytest.raises(TamperError):
        kms.wrapped_by(b"\x09" * 60)


# -- both services of the configuration


def config_of(folder: Path, server: Bao | None) -> Config:
    (folder / "vault").mkdir(exist_ok=True)
    vault = Vault(kms="openbao" if server else "file", argon2_memory_kib=64, argon2_passes=1)
    plain = Config(paths=Paths(state=folder), vault=vault)
    return replace(plain, openbao=server.key(f"k{next(NUMBERS)}")) if server else plain


@pytest.fixture(params=["file", pytest.param("openbao", marks=pytest.mark.real)])
def config(request: pytest.FixtureRequest, tmp_path: Path) -> Config:
    return config_of(tmp_path, request.getfixturevalue("bao") if request.param == "openbao" else None)


def test_made_once_and_the_same_key_after_a_restart(config: Config) -> None:
    house = key_house(config)
    wrapped = house.create(PASS).wrap(KEY, b"c")
    assert key_house(config).open(PASS).unwrap(wrapped, b"c") == KEY
    assert kind_of(config.paths.state / "vault" / "kms.json") == config.vault.kms
    with pytest.raises(ConfigError, match="exists already"):
        house.create(PASS)


def test_a_vault_without_its_note_says_what_to_do(config: Config) -> None:
    with pytest.raises(ConfigError, match="init"):
        key_house(config).open(PASS)


def test_a_new_kek_wraps_and_the_old_one_opens_until_it_is_destroyed(config: Config) -> None:
    house = key_house(config)
    kms = house.create(PASS)
    old, first = kms.wrap(KEY, b"c"), kms.key_id
    house.add_kek(kms, PASS)
    assert house.versions(kms) == (1, 2)
    new = kms.wrap(KEY, b"c")
    assert (kms.wrapped_by(old), kms.wrapped_by(new)) == (first, kms.key_id)
    assert kms.unwrap(old, b"c") == kms.unwrap(new, b"c") == KEY
    house.drop_kek(kms, PASS, 1)
    assert house.versions(kms) == (2,)
    again = key_house(config).open(PASS)
    for each in (kms, again):
        assert each.unwrap(new, b"c") == KEY
        with pytest.raises(TamperError):
            each.unwrap(old, b"c")


def test_the_kek_that_wraps_now_is_not_destroyed(config: Config) -> None:
    house = key_house(config)
    kms = house.create(PASS)
    for version in (0, 1, 7):
        with pytest.raises(ConfigError, match="version"):
            house.drop_kek(kms, PASS, version)
    assert kms.unwrap(kms.wrap(KEY, b"c"), b"c") == KEY


def test_the_other_service_is_refused_once_one_has_sealed(config: Config) -> None:
    key_house(config).create(PASS)
    other = {"file": "openbao", "openbao": "file"}[config.vault.kms]
    with pytest.raises(ConfigError, match=f'"{other}", but kms.json is of "{config.vault.kms}"'):
        key_house(replace(config, vault=replace(config.vault, kms=other)))


def test_a_wrong_passphrase_adds_and_destroys_nothing(tmp_path: Path) -> None:
    config = config_of(tmp_path, None)
    house = key_house(config)
    kms = house.create(PASS)
    with pytest.raises(Denied):
        house.add_kek(kms, b"wrong horse battery")
    house.add_kek(kms, PASS)
    with pytest.raises(Denied):
        house.drop_kek(kms, b"wrong horse battery", 1)
    assert house.versions(kms) == (1, 2)


# -- OpenBao alone


@pytest.mark.real
def test_an_approle_signs_in_again_when_its_token_ends(bao: Bao) -> None:
    settings = bao.approle(bao.key("by-role"))
    kms = OpenBaoKms(settings)
    wrapped = kms.wrap(KEY, b"c")
    bao.client.auth.token.revoke(kms._client.token)
    assert kms.unwrap(wrapped, b"c") == KEY
    Path(settings.secret_id_file).write_text("none")
    bao.client.auth.token.revoke(kms._client.token)
    with pytest.raises(Unavailable, match="AppRole"):
        kms.unwrap(wrapped, b"c")


@pytest.mark.real
def test_a_token_without_rights_is_unavailable_and_not_tampering(bao: Bao) -> None:
    settings = bao.key("no-rights")
    wrapped = OpenBaoKms(settings).wrap(KEY, b"c")
    kms = OpenBaoKms(settings)
    kms._client.token = "nothing"
    Path(settings.token_file).write_text("nothing")
    with pytest.raises(Unavailable, match="policy"):
        kms.unwrap(wrapped, b"c")


@pytest.mark.real
def test_a_missing_key_and_one_without_associated_data_are_told(bao: Bao) -> None:
    with pytest.raises(ConfigError, match="has no key absent"):
        OpenBaoKms(replace(bao.key("present"), key="absent"))
    with pytest.raises(ConfigError, match="rsa-2048"):
        OpenBaoKms(bao.key("signing", "rsa-2048"))


@pytest.mark.real
def test_a_note_of_another_key_is_refused(bao: Bao, tmp_path: Path) -> None:
    config = config_of(tmp_path, bao)
    key_house(config).create(b"")
    with pytest.raises(ConfigError, match="another mount or key"):
        key_house(replace(config, openbao=bao.key("someone-elses"))).open(b"")


@pytest.mark.real
def test_a_server_that_is_gone_is_unavailable(tmp_path: Path) -> None:
    with running_bao(tmp_path) as server:
        kms = OpenBaoKms(server.key("short-lived"))
        wrapped = kms.wrap(KEY, b"c")
    for ask in (lambda: kms.unwrap(wrapped, b"c"), lambda: kms.wrap(KEY, b"c"), lambda: kms.versions):
        with pytest.raises(Unavailable, match="does not answer"):
            ask()


@pytest.mark.parametrize("files", [{}, {"token_file": "/nonexistent/token"}, {"role_id_file": "/nonexistent/role"}])
def test_secrets_that_are_not_there_are_named(files: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match=r"token_file|role_id_file"):
        OpenBaoKms(replace(OpenBao(url="http://127.0.0.1:1"), **files))  # type: ignore[arg-type]


def test_nothing_answers_there() -> None:
    with pytest.raises(Unavailable, match="does not answer"):
        OpenBaoKms(OpenBao(url="http://127.0.0.1:1", token_file=__file__, timeout_seconds=0.5))
