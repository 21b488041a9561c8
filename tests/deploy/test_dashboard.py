"""The dashboard has the page's panels, and asks for what the workers tell."""

from __future__ import annotations

import html
import json
import re

import yaml
from exported import asked, exported
from stack_file import ROOT, services

GRAFANA = ROOT / "deploy" / "grafana"
BOARD = json.loads((GRAFANA / "dashboards" / "asmg.json").read_text())
PANELS = [panel for panel in BOARD["panels"] if panel["type"] != "row"]
#: What the page has that no dashboard can: a box to try, with a user's history.
ONLY_THE_PAGE = {"Try it", "History"}


def test_every_query_names_metrics_that_the_workers_tell() -> None:
    queries = [target["expr"] for panel in PANELS for target in panel["targets"]]
    queries += [one["expr"] for one in BOARD["annotations"]["list"]]
    assert len(queries) > 30
    known = exported()
    assert {name for query in queries for name in asked(query)} <= known


def test_the_names_are_found_in_the_code_as_prometheus_shows_them() -> None:
    some = {"asmg_serving_swaps_total", "asmg_serving_rank_seconds_bucket", "asmg_live_period_drift"}
    assert some | {"asmg_closer_period", "asmg_serving_version"} <= exported()
    assert "asmg_serving_swaps" not in exported()


def test_every_panel_of_the_page_is_there() -> None:
    page = (ROOT / "serving" / "page" / "index.html").read_text()
    titles = re.findall(r"<(?:h2|h3) id=[^>]*>([^<]*)</h|<dt>([^<]*)</dt>", page)
    wanted = {html.unescape(one or other) for one, other in titles} - ONLY_THE_PAGE
    assert len(wanted) > 12
    ours = [panel["title"].split(":")[0] for panel in BOARD["panels"]]
    assert wanted - set(ours) == set()


def test_every_panel_says_what_it_shows_and_none_lies_on_another() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in BOARD["panels"]:
        at = panel["gridPos"]
        place = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not place & taken, panel["title"]
        assert at["x"] + at["w"] <= 24
        taken |= place
    assert all(panel["description"] for panel in PANELS)


def test_grafana_finds_the_source_that_panels_name_and_the_folder_of_the_dashboard() -> None:
    (source,) = yaml.safe_load((GRAFANA / "provisioning/datasources/prometheus.yml").read_text())[
        "datasources"
    ]
    assert {target["datasource"]["uid"] for panel in PANELS for target in panel["targets"]} == {source["uid"]}
    stack = services()
    listens = [one for one in stack["prometheus"]["command"] if "listen-address" in one]
    assert source["url"].rsplit(":", 1)[1] == listens[0].rsplit(":", 1)[1]
    (provider,) = yaml.safe_load((GRAFANA / "provisioning/dashboards/asmg.yml").read_text())["providers"]
    mounted = dict(one.split(":")[:2] for one in stack["grafana"]["volumes"])
    assert mounted["./deploy/grafana/dashboards"] == provider["options"]["path"]
    home = stack["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert home == f"{provider['options']['path']}/asmg.json"
