"""Alerts fire where they should, ask for what the workers tell, and each says what to do."""

from __future__ import annotations

import yaml
from exported import asked, exported
from outside_tools import Run
from stack_file import ROOT

DEPLOY = ROOT / "deploy"
RULES = yaml.safe_load((DEPLOY / "alerts.yml").read_text())["groups"][0]["rules"]
TESTS = ROOT / "tests" / "deploy" / "alerts_test.yml"
NAMES = [rule["alert"] for rule in RULES]


def test_prometheus_takes_its_configuration_and_the_rules(promtool: Run) -> None:
    done = promtool("check", "config", str(DEPLOY / "prometheus.yml"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(RULES)} rules found" in done.stdout


def test_every_alert_fires_where_it_should_and_nowhere_else(promtool: Run) -> None:
    done = promtool("test", "rules", str(TESTS))
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_is_tried_where_it_fires_and_where_all_is_well() -> None:
    tried = [one for test in yaml.safe_load(TESTS.read_text())["tests"] for one in test["alert_rule_test"]]
    for name in NAMES:
        fires = {bool(one["exp_alerts"]) for one in tried if one["alertname"] == name}
        assert fires == {True, False}, name


def test_alerts_ask_for_what_the_workers_tell() -> None:
    assert {name for rule in RULES for name in asked(rule["expr"])} <= exported()


def test_the_operations_guide_says_what_to_do_at_each() -> None:
    guide = (ROOT / "docs" / "operations.md").read_text()
    assert [name for name in NAMES if f"`{name}`" not in guide] == []
