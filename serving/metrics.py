"""Prometheus metrics of serving."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

#: Bounds of a request's time, in seconds.
_TIMES = (0.0005, 0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.02, 0.05, 0.1, 0.25, 1.0)

REQUESTS = Counter("asmg_serving_requests", "Requests for scores, by HTTP status", ["status"])
LATENCY = Histogram(
    "asmg_serving_rank_seconds", "Time of an answer, body read to answer made", buckets=_TIMES
)
UNKNOWN_USERS = Counter("asmg_serving_unknown_users", "Rankings for a user that the model has not seen")
UNKNOWN_ITEMS = Counter("asmg_serving_unknown_items", "Candidates that the model has not seen")
IMPRESSIONS = Counter("asmg_serving_impressions", "Impressions that Kafka has taken")
IMPRESSIONS_LOST = Counter("asmg_serving_impressions_lost", "Impressions that Kafka did not take")
SWAPS = Counter("asmg_serving_swaps", "Models taken into service")
SWAP_SECONDS = Histogram("asmg_serving_swap_seconds", "Loading, verifying, warming and switching of a model")
REFUSED = Counter(
    "asmg_serving_refused_artefacts", "Models refused: a part is missing, corrupt or not finite"
)
VERSION = Gauge("asmg_serving_version", "Version that answers")
STAR = Gauge("asmg_serving_serves_star", "1 if a generated model answers, else 0")
SERVES = Gauge("asmg_serving_serves", "1 for the kind of model that answers, 0 for the others", ["kind"])
FRESHNESS = Gauge(
    "asmg_serving_freshness_seconds", "Last event to served, of the last model that was awaited"
)
HISTORIES = Gauge("asmg_serving_histories", "Users whose history is held")
HISTORIES_BEHIND = Gauge("asmg_serving_histories_behind", "Records of histories not taken yet")
PROCESSES = Gauge("asmg_serving_processes", "Processes that answer")
CANARY_IMPRESSIONS = Gauge(
    "asmg_serving_canary_impressions", "Last impressions over which a kind is scored under a canary", ["kind"]
)
CANARY_CLICK_THROUGH = Gauge(
    "asmg_serving_canary_click_through", "Share of these impressions that were clicked", ["kind"]
)
CANARY_LOGLOSS = Gauge("asmg_serving_canary_logloss", "LogLoss of these impressions' scores, nats", ["kind"])
UNREADABLE = Gauge("asmg_serving_unreadable_records", "Records of the followed topics that nobody can read")
