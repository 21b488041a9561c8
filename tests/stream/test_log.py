import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from stream import log


@pytest.fixture(autouse=True)
def root() -> Iterator[None]:
    """The root logger is as before afterwards."""
    logger = logging.getLogger()
    handlers, level = logger.handlers, logger.level
    yield
    logger.handlers, logger.level = handlers, level


def test_a_record_is_one_line_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    log.set_up("train")
    logging.getLogger("trainer.worker").info("theta/%d: learnt,\nand told", 5, extra=log.of(5, "theta/5"))
    said = capsys.readouterr().err
    assert said.endswith(" INFO train: theta/5: learnt, | and told\n")
    assert said.count("\n") == 1


def test_or_a_json_object_with_period_and_model(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(log.FORM, "json")
    log.set_up("train")
    before = datetime.now(UTC)
    logging.getLogger("trainer.worker").info("theta/%d: learnt,\nand Θ", 5, extra=log.of(5, "theta/5"))
    logging.getLogger("else").warning("no more than this")
    first, second = map(json.loads, capsys.readouterr().err.splitlines())
    assert abs((datetime.fromisoformat(first.pop("time")) - before).total_seconds()) < 5
    assert first == {
        "level": "info",
        "worker": "train",
        "logger": "trainer.worker",
        "message": "theta/5: learnt,\nand Θ",
        "period": 5,
        "model": "theta/5",
    }
    assert second.keys() == {"time", "level", "worker", "logger", "message"}


def test_an_error_comes_with_where_it_was_raised(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(log.FORM, "json")
    log.set_up("serve")
    try:
        raise ValueError("what is wrong")
    except ValueError as error:
        logging.getLogger("serving").error("a request failed", exc_info=error)
    (line,) = capsys.readouterr().err.splitlines()
    told = json.loads(line)
    assert told["error"].startswith("Traceback")
    assert told["error"].endswith("ValueError: what is wrong")
