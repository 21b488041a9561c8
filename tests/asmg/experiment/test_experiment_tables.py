"""The Markdown of a report, on figures made up."""

from __future__ import annotations

from typing import Any

from asmg.experiment import tables


def method(auc: float | None, logloss: float, p: float | None = None, gain: float = 0.0) -> dict[str, Any]:
    return {
        "auc": auc,
        "auc_std": None if auc is None else 0.01,
        "logloss": logloss,
        "logloss_std": 0.02,
        "improvement": None if auc is None else gain,
        "p_value": {"auc": p, "logloss": p and p / 10},
        "per_period": [{"period": period, "auc": auc, "logloss": logloss} for period in range(2, 32)],
        "seconds_per_period": {"base": 2.0, "generator": 3.0 if auc != 0.8 else 0.0},
        "peak_memory_mb": 1131.2,
    }


IU = method(0.8, 0.5)


def text(methods: dict[str, Any], **other: Any) -> str:
    made = {"dataset": "clicks", "protocol": "stream", "periods": 31, "methods": methods, **other}
    return tables.markdown(made, "asmg experiment --x", 2, '{"a": 1}', ["auc.png"], ["tuned_auc.png"])


def rows(told: str, heading: str) -> list[str]:
    """The rows of the table below a heading."""
    _, _, below = told.partition(f"## {heading}\n")
    lines = below.partition("\n## ")[0].split("\n")
    return [line for line in lines if line.startswith("| ")][1:]


def test_table_1_has_scores_gains_over_iu_and_p() -> None:
    told = text({"iu": IU, "asmg-plus": method(0.9, 0.4, p=0.0023, gain=12.5)})
    assert rows(told, "Table 1: AUC and LogLoss") == [
        "| iu | 0.8000 ± 0.0100 | – | – | 0.5000 ± 0.0200 | – | – |",
        "| asmg-plus | 0.9000 ± 0.0100 | +12.50% | 0.002 | 0.4000 ± 0.0200 | +20.00% | <0.001 |",
    ]
    assert rows(told, "Table 3: seconds of training a period, and memory") == [
        "| iu | 2.00 | – | 1,131 |",
        "| asmg-plus | 2.00 | 3.00 | 1,131 |",
    ]
    assert told.startswith("# clicks, protocol stream\n\n    asmg experiment --x\n")
    assert "models of periods 24-30" in told
    assert "![auc](auc.png)" in told
    assert told.endswith('```json\n{"a": 1}\n```\n')


def test_without_a_spread_the_mean_stands_alone() -> None:
    told = text({"iu": IU | {"auc_std": None, "logloss_std": None}})
    assert rows(told, "Table 1: AUC and LogLoss") == ["| iu | 0.8000 | – | – | 0.5000 | – | – |"]


def test_the_papers_methods_come_first_then_controls_then_ours() -> None:
    names = ["iu", "asmg-plus", "ema", "asmg-gru-multi-activity", "asmg-gru-multi k=2", "asmg-gru-multi k=1"]
    names += ["sml", "bu-3", "iu-activity"]
    found = [
        row.split(" | ")[0][2:] for row in rows(text(dict.fromkeys(names, IU)), "Table 1: AUC and LogLoss")
    ]
    assert found == [
        "iu",
        "bu-3",
        "sml",
        "asmg-gru-multi k=2",
        "asmg-gru-multi k=1",
        "ema",
        "iu-activity",
        "asmg-gru-multi-activity",
        "asmg-plus",
    ]


def test_table_2_compares_variants_with_multi() -> None:
    methods = {"iu": IU, "asmg-gru-multi": method(0.85, 0.45), "asmg-linear": method(0.84, 0.46)}
    assert rows(text(methods), "Table 2: variants") == [
        "| asmg-linear | 0.8400 ± 0.0100 | -0.0100 | 0.4600 ± 0.0200 | +0.0100 |",
        "| asmg-gru-multi | 0.8500 ± 0.0100 | – | 0.4500 ± 0.0200 | – |",
    ]


def test_table_2_needs_two_variants_and_tells_no_difference_where_multi_has_none() -> None:
    assert "Table 2" not in text({"iu": IU, "asmg-gru-multi": method(0.85, 0.45), "asmg-plus": IU})
    without = {"iu": IU, "asmg-gru-zero": method(0.85, 0.45), "asmg-linear": method(0.84, 0.46)}
    assert rows(text(without), "Table 2: variants")[0].startswith("| asmg-linear | 0.8400 ± 0.0100 | – |")
    diverged = {"iu": IU, "asmg-gru-multi": method(None, 0.45), "asmg-linear": method(0.84, 0.46)}
    assert rows(text(diverged), "Table 2: variants") == [
        "| asmg-linear | 0.8400 ± 0.0100 | – | 0.4600 ± 0.0200 | +0.0100 |",
        "| asmg-gru-multi | – | – | 0.4500 ± 0.0200 | – |",
    ]


def test_tuned_methods_have_tables_of_their_own_and_what_was_found() -> None:
    rate, own = "trainer.learning_rate", "metagen.learning_rate"
    tuned = {
        "settings": {"iu": {rate: 0.01}, "asmg-plus": {rate: 0.003, own: None}},
        "validated": [22, 23, 24],
        "tried": {
            "iu": [{"settings": {rate: 0.005}, "logloss": 0.47}, {"settings": {rate: 0.01}, "logloss": 0.46}],
            "asmg-plus": [
                {"settings": {rate: 0.005}, "logloss": None},
                {"settings": {rate: 0.003, own: None}, "logloss": 0.41},
            ],
        },
        "methods": {"iu": method(0.82, 0.46), "asmg-plus": method(0.92, 0.39, gain=12.2)},
    }
    told = text({"iu": IU, "asmg-plus": method(0.9, 0.4)}, tuned=tuned)
    assert rows(told, "Table 1: AUC and LogLoss")[0].startswith("| iu | 0.8000 ")
    assert rows(told, "Table 1: AUC and LogLoss, tuned")[0].startswith("| iu | 0.8200 ")
    assert rows(told, "Settings found") == [
        "| iu | trainer.learning_rate=0.01 | 0.4600 | trainer.learning_rate=0.005: 0.4700 |",
        "| asmg-plus | trainer.learning_rate=0.003 metagen.learning_rate=null | 0.4100 "
        "| trainer.learning_rate=0.005: – |",
    ]
    assert "models of periods 21-23 alone" in told
    assert "![tuned_auc](tuned_auc.png)" in told
