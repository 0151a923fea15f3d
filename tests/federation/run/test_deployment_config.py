"""What a deployment is told, and whom it trusts: mistakes are named at the start."""

from __future__ import annotations

import ssl
import stat
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from domain.errors import ConfigError, ExitCode
from federation.__main__ import main
from federation.run.deployment.config import read_deployment
from federation.run.deployment.credentials import ensure_authority, ensure_node_key, ensure_trusted

NOW_NS = 1_800_000_000 * 10**9


def test_only_the_owner_reads_a_secret_and_the_certificate_is_for_this_host(tmp_path: Path) -> None:
    ensure_authority(tmp_path, ["127.0.0.1", "localhost"], NOW_NS)
    ensure_node_key(tmp_path, "tokyo")
    for secret in ("server.key", "tokyo"):
        assert stat.S_IMODE((tmp_path / secret).stat().st_mode) == 0o600
    served = x509.load_pem_x509_certificate((tmp_path / "server.crt").read_bytes())
    named = served.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [str(each) for each in named.get_values_for_type(x509.IPAddress)] == ["127.0.0.1"]
    served.verify_directly_issued_by(x509.load_pem_x509_certificate((tmp_path / "ca.crt").read_bytes()))
    ssl.create_default_context(cafile=str(tmp_path / "ca.crt"))
    serialization.load_ssh_public_key((tmp_path / "tokyo.pub").read_bytes())
    assert not (tmp_path / "ca.key").exists()


def test_a_deployments_file_is_read_and_its_mistakes_are_named(tmp_path: Path) -> None:
    path = tmp_path / "federation.toml"
    path.write_text('port = 7400\n[regions.zug]\nstore = "rows"\n[federation.loop]\nbuffer = 2\n')
    read = read_deployment(path)
    assert read.port == 7400 and list(read.regions) == ["zug"] and read.federation.loop.buffer == 2
    path.write_text("port = ")
    with pytest.raises(ConfigError):
        read_deployment(path)
    path.write_text("prot = 1")
    with pytest.raises(ConfigError, match="prot"):
        read_deployment(path)
    assert list(read_deployment(None).regions) == ["tokyo", "frankfurt", "nyc"]


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("regions = {}", "there is no region"),
        ('[regions."Tokyo City"]\nstore = "x"', "'Tokyo City' is no region's name"),
        ('[regions."../evil"]\nstore = "x"', "is no region's name"),
        ('[regions.superlink]\nstore = "x"', "is no region's name"),
        ('[regions.a]\nstore = "x"\nsettings = {noise = 1.0}', "noise is counted in clips"),
        ('[regions.a]\nstore = "x"\nsettings = {klip = 1.0}', "no setting 'klip'"),
        ("[regions.a]\nstore = 'x'\nsettings = {personal = 'a\" b'}", "a quote"),
        ('[regions.a]\nstore = "x"\ntrainer = "os.system"', "trainer"),
        ('names = ["münchen.example"]', "names.0"),
        ('names = [""]', "names.0"),
        ('host = "not a host"', "host"),
        ('superlink = "abc"', "superlink"),
        ("federation = {loop = {deadline_first_s = inf}}", "deadline_first_s"),
        ('federation = {secure = true}\n[regions.a]\nstore = "x"', "secure sums need 3 regions"),
    ],
)
def test_what_cannot_be_kept_to_is_refused_at_the_start(tmp_path: Path, text: str, word: str) -> None:
    path = tmp_path / "federation.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=word):
        read_deployment(path)


@pytest.mark.parametrize("text", ['trainer = "nope.mod:fn"', 'trainer = "json:2"'])
def test_a_trainer_that_is_not_there_is_refused_at_the_start(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    path = tmp_path / "federation.toml"
    path.write_text(f'[regions.a]\nstore = "x"\n{text}\n')
    assert main(["start", "--state", str(tmp_path), "--config", str(path)]) == ExitCode.CONFIG
    assert "trainer" in capsys.readouterr().err


@pytest.mark.parametrize("port", ["0", "-1", "70000", "x"])
def test_a_port_that_is_none_is_wrong_usage(port: str) -> None:
    with pytest.raises(SystemExit):
        main(["start", "--port", port])


@pytest.mark.parametrize("seconds", ["nan", "inf", "-1", "x"])
def test_a_time_that_is_none_is_wrong_usage(tmp_path: Path, seconds: str) -> None:
    with pytest.raises(SystemExit):
        main(["stop", "--state", str(tmp_path), "--timeout", seconds])


def test_certificates_are_made_anew_for_other_names_and_before_they_end(tmp_path: Path) -> None:
    assert ensure_authority(tmp_path, ["127.0.0.1"], NOW_NS) is None
    before = (tmp_path / "ca.crt").read_bytes()
    assert ensure_authority(tmp_path, ["127.0.0.1"], NOW_NS) is None
    assert (tmp_path / "ca.crt").read_bytes() == before
    assert (
        ensure_authority(tmp_path, ["127.0.0.1", "fed.example"], NOW_NS)
        == "server.crt is not for fed.example"
    )
    assert ensure_authority(tmp_path, ["fed.example"], NOW_NS) is None
    late_ns = NOW_NS + 340 * 86_400 * 10**9
    assert "ends on" in str(ensure_authority(tmp_path, ["fed.example"], late_ns))
    assert ensure_authority(tmp_path, ["fed.example"], late_ns) is None
    (tmp_path / "server.crt").write_bytes(b"torn")
    assert ensure_authority(tmp_path, ["fed.example"], late_ns) == "server.crt cannot be read"


def test_certificates_that_other_machines_trust_are_not_made_anew_behind_their_back(tmp_path: Path) -> None:
    ensure_authority(tmp_path, ["127.0.0.1"], NOW_NS, shared=True)
    before = (tmp_path / "ca.crt").read_bytes()
    with pytest.raises(ConfigError, match=r"not for fed\.example"):
        ensure_authority(tmp_path, ["fed.example"], NOW_NS, shared=True)
    ended_ns = NOW_NS + 366 * 86_400 * 10**9
    with pytest.raises(ConfigError, match="ends on"):
        ensure_authority(tmp_path, ["127.0.0.1"], ended_ns, shared=True)
    with pytest.raises(ConfigError, match="name it with --ca"):
        ensure_trusted(tmp_path / "ca.crt", ended_ns)
    assert (tmp_path / "ca.crt").read_bytes() == before
