"""Which Boss and whose token: from the params, intern's file, the environment, or nobody's; never shown."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from boss_ingest.errors import ConfigError
from boss_ingest.plugins.intern_account import Account, find_account, token_in
from boss_ingest.plugins.intern_params import InternTileParams, account_of

SECRET = "s3cr3t0123456789"
FILE = f"[Default]\nprotocol = https\nhost = boss.lab.org\ntoken = {SECRET}\n"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("HOST", "PROTOCOL", "TOKEN"):
        monkeypatch.delenv(f"INTERN_{name}", raising=False)
    return tmp_path


def found(**params: Any) -> Account:
    given: dict[str, Any] = {"token": None, "host": None, "protocol": None, "allow_http": False}
    return find_account(**given | params, section="client.tile_processor")


def write(home: Path, text: str) -> None:
    (home / ".intern").mkdir()
    (home / ".intern/intern.cfg").write_text(text)


def environment(monkeypatch: pytest.MonkeyPatch, **values: str) -> None:
    for name, value in values.items():
        monkeypatch.setenv(f"INTERN_{name}", value)


def test_a_token_in_the_params_goes_to_the_host_beside_it_or_to_bossdb() -> None:
    token = SecretStr(SECRET)
    assert found(token=token).url == "https://api.bossdb.io"
    account = found(token=token, host="127.0.0.1:8000", protocol="http")
    assert (account.url, account.token) == ("http://127.0.0.1:8000", token)


def test_without_one_interns_file_counts_before_the_environment(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment(monkeypatch, HOST="env.lab.org", PROTOCOL="https", TOKEN="fromenv")
    assert found().url == "https://env.lab.org"
    assert found().token.get_secret_value() == "fromenv"
    write(home, FILE)
    assert found().url == "https://boss.lab.org"
    assert found().token.get_secret_value() == SECRET
    assert found().origin.endswith("intern.cfg [Default]")


def test_the_section_of_the_volume_service_counts_first(home: Path) -> None:
    volume = "[Volume Service]\nprotocol = https\nhost = volumes.lab.org\ntoken = other\n"
    write(home, FILE + volume)
    assert found().url == "https://volumes.lab.org"


def test_an_incomplete_environment_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    environment(monkeypatch, HOST="env.lab.org", TOKEN="fromenv")
    assert found().token.get_secret_value() == "public"


def test_with_nothing_at_all_bossdb_is_read_as_everybody_may() -> None:
    account = found()
    assert (account.url, account.token.get_secret_value()) == ("https://api.bossdb.io", "public")
    assert found(host="other.lab.org").url == "https://other.lab.org"


def test_a_configured_token_goes_to_no_other_host(home: Path) -> None:
    write(home, FILE)
    assert found(host="boss.lab.org").url == "https://boss.lab.org"
    with pytest.raises(
        ConfigError, match=r"https://evil.org.*has a token for https://boss.lab.org"
    ) as caught:
        found(host="evil.org")
    assert SECRET not in str(caught.value)
    with pytest.raises(ConfigError, match=r"http://boss\.lab\.org"):
        found(protocol="http", allow_http=True)


def test_a_token_crosses_no_network_in_the_clear_unless_told_to() -> None:
    given = {"token": SecretStr(SECRET), "host": "boss.lab.org", "protocol": "http"}
    with pytest.raises(ConfigError, match="for all to read") as caught:
        found(**given)
    assert SECRET not in str(caught.value)
    assert found(**given, allow_http=True).url == "http://boss.lab.org"


@pytest.mark.parametrize("text", [f"token = {SECRET}\n", f"[Default]\n{SECRET}\n", f"[Default\n{SECRET}"])
def test_a_file_that_is_none_is_told_without_what_is_in_it(home: Path, text: str) -> None:
    write(home, text)
    with pytest.raises(ConfigError) as caught:
        found()
    assert "intern.cfg" in caught.value.what
    assert SECRET not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("token", [f"{SECRET} \n", f"{SECRET}\u00e4", ""])
def test_what_can_be_no_token_is_refused_unseen(token: str) -> None:
    with pytest.raises(ConfigError, match="no token has") as caught:
        found(token=SecretStr(token))
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("host", ["a b", "user@host", "host/path", "http://host", ""])
def test_a_host_is_a_name_and_perhaps_a_port(host: str) -> None:
    if not host:
        assert found(token=SecretStr(SECRET), host=host).host == "api.bossdb.io"
        return
    with pytest.raises(ConfigError, match="no address"):
        found(token=SecretStr(SECRET), host=host)


def test_params_show_their_token_nowhere() -> None:
    names = {"collection": "c", "experiment": "e", "channel": "ch"}
    params = InternTileParams.read({**names, "token": SECRET}, section="client.tile_processor")
    assert SECRET not in repr(params)
    assert SECRET not in str(params)
    assert SECRET not in repr(found(token=params.token))
    wrong: list[dict[str, Any]] = [{"token": [SECRET]}, {"token": SECRET, "resolution": "x"}]
    for each in wrong:
        with pytest.raises(ConfigError) as caught:
            InternTileParams.read({**names, **each}, section="client.tile_processor")
        assert SECRET not in str(caught.value)


@pytest.mark.parametrize("text", [SECRET + "\n", f'{{"token": "{SECRET}"}}', f'"{SECRET}"'])
def test_a_token_may_stand_in_a_file_of_its_own(home: Path, text: str) -> None:
    path = home / "token"
    path.write_text(text)
    assert token_in(path).get_secret_value() == SECRET
    with pytest.raises(ConfigError, match="there is no token file"):
        token_in(home / "none")
    both = {"collection": "c", "experiment": "e", "channel": "ch", "token": SECRET, "token_file": str(path)}
    with pytest.raises(ConfigError, match="token_file") as caught:
        account_of(InternTileParams.read(both, section="client.tile_processor"), "client.tile_processor")
    assert SECRET not in str(caught.value)
