"""The file that `quietline config new` writes is a right one."""

from __future__ import annotations

from pathlib import Path

from typer.testing import CliRunner

from quietline.cli import build
from quietline.config_file import load
from quietline.errors import ConfigError


def test_the_starter_is_a_right_configuration(tmp_path: Path) -> None:
    path = tmp_path / "etc" / "quietline.toml"
    assert CliRunner().invoke(build(), ["config", "new", "--config", str(path)]).exit_code == 0
    config = load(path)
    assert config.trunks[0].certificate_name == "sip.carrier.example"
    assert config.queues[0].spoken == "your order"


def test_an_existing_file_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "quietline.toml"
    path.write_text("# mine")
    result = CliRunner().invoke(build(), ["config", "new", "--config", str(path)])
    assert isinstance(result.exception, ConfigError)
    assert path.read_text() == "# mine"
