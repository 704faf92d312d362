"""The token is found where people keep it; its origin is told, itself never."""

from __future__ import annotations

import traceback
from pathlib import Path

import pytest
from pydantic import SecretStr

from boss_ingest.boss.token import Token, find_token
from boss_ingest.errors import ExitCode, NotAllowedError


class Places:
    """A home and a working directory to put tokens into."""

    def __init__(self, root: Path) -> None:
        self.home, self.cwd = root / "home", root / "work"
        self.intern_cfg, self.token_json = self.home / ".intern" / "intern.cfg", self.cwd / "token.json"
        self.env: dict[str, str] = {}
        self.intern_cfg.parent.mkdir(parents=True)
        self.cwd.mkdir()

    def find(
        self, *, token_file: Path | None = None, api_token: str | SecretStr | None = None, host: str = ""
    ) -> Token:
        return find_token(
            token_file=token_file, api_token=api_token, host=host, env=self.env, home=self.home, cwd=self.cwd
        )


@pytest.fixture
def places(tmp_path: Path) -> Places:
    return Places(tmp_path)


def test_the_first_place_that_has_one_wins(places: Places, tmp_path: Path) -> None:
    token_file = tmp_path / "mine.txt"
    token_file.write_text("first\n")
    places.env["INTERN_TOKEN"] = " third "
    places.intern_cfg.write_text("[Default]\ntoken = fourth\n[Project Service]\ntoken = fifth\n")
    places.token_json.write_text('{"token": "sixth"}')

    found = [
        places.find(token_file=token_file, api_token="second"),
        places.find(api_token=SecretStr("second")),
    ]
    found.append(places.find())
    places.env.clear()
    found.append(places.find())
    places.intern_cfg.write_text("[Default]\nhost = x\n[Project Service]\ntoken = fifth\n")
    found.append(places.find())
    places.intern_cfg.unlink()
    found.append(places.find())

    secrets = [token.secret.get_secret_value() for token in found]
    assert secrets == ["first", "second", "third", "fourth", "fifth", "sixth"]
    origins = [token.origin for token in found]
    assert origins == [
        str(token_file), "the token given on the command line", "the environment variable INTERN_TOKEN",
        f"{places.intern_cfg} [Default]", f"{places.intern_cfg} [Project Service]", str(places.token_json),
    ]  # fmt: skip


@pytest.mark.parametrize("text", ['{"token": "abc123"}', '"abc123"', "abc123", "  abc123\n", "\ufeffabc123"])
def test_a_token_file_may_be_json_or_the_bare_token(places: Places, text: str) -> None:
    for path, explicit in ((places.token_json, None), (places.cwd / "own", places.cwd / "own")):
        path.write_text(text, encoding="utf-8")
        assert places.find(token_file=explicit).secret.get_secret_value() == "abc123"


def test_without_any_token_all_places_are_listed(places: Places) -> None:
    with pytest.raises(NotAllowedError, match="for the Boss boss") as caught:
        places.find(host="boss.example.org")
    for place in (
        "--token-file",
        "--api-token",
        "INTERN_TOKEN",
        str(places.intern_cfg),
        str(places.token_json),
    ):
        assert place in caught.value.hint
    assert caught.value.exit_code is ExitCode.NOT_ALLOWED


def test_an_empty_variable_is_no_token(places: Places) -> None:
    places.env["INTERN_TOKEN"] = "  "
    places.token_json.write_text("abc")
    assert places.find().origin == str(places.token_json)


def test_an_explicit_token_is_never_passed_over(places: Places) -> None:
    places.env["INTERN_TOKEN"] = "other"
    with pytest.raises(NotAllowedError, match="no token file"):
        places.find(token_file=places.cwd / "nowhere")
    with pytest.raises(NotAllowedError, match="is empty"):
        places.find(api_token="  ")
    empty = places.cwd / "empty"
    empty.write_text("\n")
    with pytest.raises(NotAllowedError, match="is empty"):
        places.find(token_file=empty)


@pytest.mark.parametrize(
    "odd", ["s3cret\ntoken", "Token s3cret", "s3cret“", "s3cret\x00", "s3cré", "'s3cret'"]
)
def test_a_token_with_odd_characters_is_refused_without_being_shown(places: Places, odd: str) -> None:
    with pytest.raises(NotAllowedError, match="character") as caught:
        places.find(api_token=odd)
    assert "s3cr" not in "".join(traceback.format_exception(caught.value))


def test_a_percent_sign_in_intern_cfg_is_no_directive(places: Places) -> None:
    places.intern_cfg.write_text("[Default]\nhost = %(x)s\ntoken = abc\n")
    assert places.find().secret.get_secret_value() == "abc"


def test_a_broken_intern_cfg_is_told_without_its_lines(places: Places) -> None:
    for text in ("token = s3cret\n", "[Default]\ns3cret\n"):
        places.intern_cfg.write_text(text)
        with pytest.raises(NotAllowedError, match=r"intern\.cfg") as caught:
            places.find()
        assert "s3cret" not in "".join(traceback.format_exception(caught.value))


def test_a_token_kept_for_another_boss_says_so(places: Places) -> None:
    places.intern_cfg.write_text("[Default]\nhost = api.theboss.io\ntoken = abc\n")
    assert places.find(host="127.0.0.1:8000").origin.endswith("written for api.theboss.io")
    assert "written for" not in places.find(host="api.theboss.io").origin


@pytest.mark.parametrize("text", ['{"key": "s3cret"}', '{"token": ["s3cret"]}', '{"s3cret'])
def test_json_without_a_token_is_told(places: Places, text: str) -> None:
    places.token_json.write_text(text)
    with pytest.raises(NotAllowedError, match="holds no token") as caught:
        places.find()
    assert "s3cret" not in str(caught.value)


def test_a_file_that_is_no_text_is_told(places: Places) -> None:
    places.token_json.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(NotAllowedError, match="not a text"):
        places.find()
    with pytest.raises(NotAllowedError, match="cannot be read"):
        places.find(token_file=places.cwd)


def test_a_token_does_not_show_in_its_repr(places: Places) -> None:
    assert "s3cret" not in repr(places.find(api_token="s3cret"))
