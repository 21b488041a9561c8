import math

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from stream.live.drift import Drift
from stream.live.metrics import Board, Period, View
from stream.live.recent import Minutes

MINUTES = Minutes(
    rates={"impression": 2.5},
    impressions=8,
    clicks=2,
    top=[('shoe "9"\n\\', 0.75)],
    newest=5,
    dead={"at `ts`": 3},
)


def told(board: Board) -> dict[tuple[str, ...], float]:
    registry = CollectorRegistry()
    registry.register(board)
    families = text_string_to_metric_families(generate_latest(registry).decode())
    return {
        (one.name.removeprefix("asmg_live_"), *(label for _, label in sorted(one.labels.items()))): one.value
        for family in families
        for one in family.samples
    }


def test_nothing_is_told_before_there_is_a_view() -> None:
    assert told(Board()) == {}


def test_all_of_a_view_is_told_and_of_an_older_one_nothing() -> None:
    board = Board()
    board.view = View(MINUTES, {"late": 4}, Period(7, Drift(0.5, 0.25), {"late": 1}), behind=0)
    assert told(board) == {
        ("events_per_second", "impression"): 2.5,
        ("impressions",): 8,
        ("clicks",): 2,
        ("click_through",): 0.25,
        ("item_share", 'shoe "9"\n\\', "1"): 0.75,
        ("event_time_ms",): 5,
        ("dead_letters", "at `ts`"): 3,
        ("became", "late"): 4,
        ("lag_events",): 0,
        ("period",): 7,
        ("period_became", "late"): 1,
        ("period_drift",): 0.5,
        ("period_new_items",): 0.25,
    }
    board.view = View(Minutes({}, 0, 0, [], 0, {}), {}, Period(), behind=math.nan)
    found = told(board)
    assert found.keys() == {
        (name,)
        for name in (
            "impressions", "clicks", "click_through", "event_time_ms", "lag_events", "period", "period_drift",
            "period_new_items",
        )
    }  # fmt: skip
    assert all(math.isnan(found[name,]) for name in ("click_through", "lag_events", "period_drift"))
