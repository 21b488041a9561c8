"""What serving says is believed for as long as the demo runs, whoever serves."""

import pytest
from msgspec.structs import replace

from asmg.watch import Watch, metric
from serving.board import Swap, rows
from serving.health import Standing
from serving.state import NOTHING, State
from stream.topics import Topics
from trainer.announced import Announced


class _Silent:
    """A follower that hears nothing."""

    caught_up = True

    def __init__(self, *_: object) -> None:
        pass


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch, topics: Topics, announced: Announced) -> Watch:
    monkeypatch.setattr("stream.kafka.Follower", _Silent)
    made = Watch({}, topics, "http://nowhere")
    made.announced = announced
    return made


def state(announced: Announced, swaps: dict[int, Swap]) -> State:
    return replace(NOTHING, serving=Standing(4, "star", 4, 1), periods=rows(announced, swaps))


def test_swaps_are_taken_from_servings_rows(
    watch: Watch, announced: Announced, swaps: dict[int, Swap]
) -> None:
    watch.hear(state(announced, swaps))
    assert watch.swaps == swaps
    assert watch.serving is not None
    assert watch.serving.period == 4
    assert watch.rows == rows(announced, swaps)


def test_what_a_process_of_serving_took_up_is_not_forgotten_when_it_is_started_again(
    watch: Watch, announced: Announced, swaps: dict[int, Swap]
) -> None:
    watch.hear(state(announced, {2: swaps[2], 3: swaps[3]}))
    again = Swap(3, "theta", 3, 99_000, 0.5, awaited=False)
    watch.hear(state(announced, {3: again, 4: swaps[4]}))
    assert watch.swaps == swaps


def test_a_swap_that_nobody_awaited_has_no_age(
    watch: Watch, announced: Announced, swaps: dict[int, Swap]
) -> None:
    watch.hear(state(announced, {4: Swap(4, "star", 4, 99_000, 0.5, awaited=False)}))
    assert watch.rows[-1].seconds.swap == 0.5
    assert watch.rows[-1].seconds.close_to_served is None
    assert watch.rows[-1].freshness_seconds is None


def test_the_last_manifest_is_that_of_a_period(watch: Watch) -> None:
    assert watch.last is not None
    assert watch.last.period == 4
    watch.announced.manifests = watch.announced.manifests[:1]
    assert watch.last is None


def test_a_metric_is_found_by_its_whole_name() -> None:
    text = "# HELP asmg_replay_row x\nasmg_replay_rows 5.0\nasmg_replay_row 3.0\n"
    assert metric(text, "asmg_replay_row") == 3.0
    assert metric(text, "asmg_replay") is None
