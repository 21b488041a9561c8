"""docs/configuration.md is what the settings say, and leaves out nothing that can be set."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from asmg.config import Settings, load
from asmg.environment import SUPERVISED
from asmg.reference import ENVIRONMENT, reference
from asmg.secrets import SECRETS

ROOT = Path(__file__).parents[2]
PAGE = reference()
ROWS = dict(re.findall(r"^\| .*`(ASMG_\w+)`(.*)$", PAGE, re.MULTILINE))


def variables() -> dict[str, tuple[str, str]]:
    """Section and name of every setting in a section, by its variable."""
    return {
        f"ASMG_{section}_{name}".upper(): (section, name)
        for section, field in Settings.model_fields.items()
        for name in getattr(field.annotation, "model_fields", ())
    }


def test_the_page_in_docs_is_the_one_that_the_settings_make() -> None:
    assert (ROOT / "docs" / "configuration.md").read_text() == PAGE, "make reference"


def test_every_setting_has_a_row_that_says_what_it_means() -> None:
    assert variables().keys() <= ROWS.keys()
    assert [name for name, rest in ROWS.items() if not rest.strip(" |*only")] == []


def test_secrets_and_nothing_else_are_marked_as_environment_only() -> None:
    marked = {name for name, rest in ROWS.items() if rest.startswith(" **only**")}
    secrets = {variable for names in SECRETS.values() for variable in names.values()}
    assert marked == secrets & variables().keys()


def test_a_default_is_shown_as_it_can_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # no asmg.toml there
    default, shown = load(), {}
    for line in PAGE.splitlines():
        cells = [cell.strip(" `") for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        if len(cells) == 5 and cells[3] in variables() and cells[2] != "none":
            shown[cells[3]] = cells[2]
    assert len(shown) > 50
    for name, text in shown.items():
        monkeypatch.setenv(name, text)
    assert load() == default


def test_whatever_else_the_code_asks_the_environment_for_is_listed() -> None:
    paths = [
        path
        for name in ("stream", "trainer", "metagen", "serving", "asmg")
        for path in (ROOT / name).rglob("*.py")
    ]
    asked = {name for path in paths for name in re.findall(r"\"(ASMG_[A-Z_]+[A-Z])\"", path.read_text())}
    beside = asked - variables().keys() - {SUPERVISED}
    assert beside == {name for name in ENVIRONMENT if name.startswith("ASMG_")}
