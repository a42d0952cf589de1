"""The local CA, the edge's certificate, carriers' certificates, and certificates of one's own."""

from __future__ import annotations

import ipaddress
import stat
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID
from cryptography.x509.verification import ClientVerifier, PolicyBuilder, Store

from quietline.config import Certificates, Config, Edge, Paths, Users
from quietline.errors import ConfigError
from quietline.telephony.certificates import (
    LEAF_DAYS,
    certificate_paths,
    ensure_certificates,
    issue,
    issue_trunk,
    make_ca,
    names_of,
)

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return Config(
        paths=Paths(tmp_path / "state", tmp_path / "run", tmp_path / "log"),
        users=Users("", "", "", "", ""),
        edge=Edge(realm="desk.example", addresses=("192.0.2.10", "2001:db8::10"), advertised="198.51.100.7"),
    )


def read(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def test_the_first_start_makes_a_ca_and_a_certificate(config: Config) -> None:
    files = ensure_certificates(config, NOW)
    assert files.ca is not None
    ca, leaf = read(files.ca), read(files.certificate)
    leaf.verify_directly_issued_by(ca)
    assert leaf.not_valid_after_utc - NOW == timedelta(days=LEAF_DAYS)
    assert leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca is False
    assert ca.extensions.get_extension_for_class(x509.BasicConstraints).value.path_length == 0


def test_a_browser_would_accept_it(config: Config) -> None:
    files = ensure_certificates(config, NOW)
    assert files.ca is not None
    for name in (x509.DNSName("desk.example"), x509.IPAddress(ipaddress.ip_address("2001:db8::10"))):
        verifier = PolicyBuilder().store(Store([read(files.ca)])).time(NOW).build_server_verifier(name)
        assert verifier.verify(read(files.certificate), [])
    stranger = PolicyBuilder().store(Store([read(files.ca)])).time(NOW).build_server_verifier(x509.DNSName("x.example"))
    with pytest.raises(x509.verification.VerificationError):
        stranger.verify(read(files.certificate), [])


def test_names(config: Config) -> None:
    assert names_of(config) == [
        "desk.example", "localhost", "127.0.0.1", "::1", "192.0.2.10", "2001:db8::10", "198.51.100.7",
    ]  # fmt: skip


def test_keys_are_for_one_reader(config: Config) -> None:
    ensure_certificates(config, NOW)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (config.paths.state / "ca").iterdir()}
    assert modes == {"ca.pem": 0o444, "ca.key": 0o400, "edge.pem": 0o444, "edge.key": 0o400}


def test_a_second_start_changes_nothing(config: Config) -> None:
    files = ensure_certificates(config, NOW)
    before = [path.read_bytes() for path in (files.certificate, files.key)]
    ensure_certificates(config, NOW + timedelta(days=LEAF_DAYS - 31))
    assert [path.read_bytes() for path in (files.certificate, files.key)] == before


def test_less_than_thirty_days_left_means_a_new_one_from_the_same_ca(config: Config) -> None:
    files = ensure_certificates(config, NOW)
    assert files.ca is not None
    old, ca = files.certificate.read_bytes(), files.ca.read_bytes()
    ensure_certificates(config, NOW + timedelta(days=LEAF_DAYS - 29))
    assert files.certificate.read_bytes() != old
    assert files.ca.read_bytes() == ca


def test_a_new_address_means_a_new_certificate(config: Config) -> None:
    files = ensure_certificates(config, NOW)
    old = files.certificate.read_bytes()
    ensure_certificates(replace(config, edge=replace(config.edge, advertised="198.51.100.8")), NOW)
    assert files.certificate.read_bytes() != old


def test_an_old_ca_is_replaced_with_everything_it_signed(config: Config) -> None:
    files = ensure_certificates(config, NOW)
    assert files.ca is not None
    ca = files.ca.read_bytes()
    ensure_certificates(config, NOW + timedelta(days=3_300))
    assert files.ca.read_bytes() != ca
    read(files.certificate).verify_directly_issued_by(read(files.ca))


@pytest.mark.parametrize("lost", ["edge.key", "edge.pem", "ca.key", "ca.pem"])
def test_a_lost_file_is_made_again(config: Config, lost: str) -> None:
    ensure_certificates(config, NOW)
    (config.paths.state / "ca" / lost).unlink()
    files = ensure_certificates(config, NOW)
    assert files.ca is not None
    read(files.certificate).verify_directly_issued_by(read(files.ca))


def test_a_carriers_certificate_is_for_clients_only(config: Config) -> None:
    issued = issue_trunk(config, "carrier.example", NOW)
    usage = issued.certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    files = certificate_paths(config)
    verifier: ClientVerifier = PolicyBuilder().store(Store([read(files.trunk_ca)])).time(NOW).build_client_verifier()
    subjects = verifier.verify(issued.certificate, []).subjects
    assert subjects == [x509.DNSName("carrier.example")]


def test_a_carriers_certificate_comes_from_the_ca_that_signs_carriers(config: Config) -> None:
    foreign = replace(config, certificates=Certificates(trunk_ca="/etc/carriers.pem"))
    with pytest.raises(ConfigError, match="another CA"):
        issue_trunk(foreign, "carrier.example", NOW)


def own(config: Config, folder: Path, *, days_ago: int = 0, other_key: bool = False) -> Config:
    folder.mkdir(exist_ok=True)
    made = NOW - timedelta(days=days_ago)
    ca = make_ca(made)
    leaf = issue(ca, "desk.example", ["desk.example"], made)
    (folder / "own.pem").write_bytes(leaf.certificate_pem)
    (folder / "own.key").write_bytes(ca.key_pem if other_key else leaf.key_pem)
    settings = Certificates(certificate=str(folder / "own.pem"), key=str(folder / "own.key"))
    return replace(config, certificates=settings)


def test_your_own_certificate_is_used_and_not_touched(config: Config, tmp_path: Path) -> None:
    mine = own(config, tmp_path / "own")
    files = ensure_certificates(mine, NOW)
    assert (files.certificate, files.ca) == (tmp_path / "own" / "own.pem", None)
    assert not (config.paths.state / "ca" / "edge.pem").exists()
    assert files.trunk_ca.exists()  # carriers' certificates still come from the local CA


def test_your_own_certificate_is_checked(config: Config, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="expired"):
        ensure_certificates(own(config, tmp_path / "a", days_ago=LEAF_DAYS + 1), NOW)
    with pytest.raises(ConfigError, match="is not the key of"):
        ensure_certificates(own(config, tmp_path / "b", other_key=True), NOW)
    gone = replace(config, certificates=Certificates(certificate="/nowhere/a.pem", key="/nowhere/a.key"))
    with pytest.raises(ConfigError, match=r"certificates\.certificate: no file"):
        ensure_certificates(gone, NOW)
    with pytest.raises(ConfigError, match="both"):
        certificate_paths(replace(config, certificates=Certificates(certificate="/a.pem")))


def test_no_key_shows_itself(config: Config) -> None:
    issued = issue_trunk(config, "carrier.example", NOW)
    assert "PRIVATE" not in repr(issued)
