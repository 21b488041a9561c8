"""What is deployed names the ports that the workers have."""

import re
from pathlib import Path

from asmg.config import Settings


def test_prometheus_scrapes_each_worker_at_its_default_port() -> None:
    text = (Path(__file__).parents[2] / "deploy" / "prometheus.yml").read_text()
    found = re.findall(r'targets: \["127\.0\.0\.1:(\d+)"\]\n\s+labels: {worker: (\w+)}', text)
    settings = Settings.model_construct()
    assert {worker: int(port) for port, worker in found} == {
        "window": settings.stream.metrics_port,
        "train": settings.trainer.metrics_port,
        "metagen": settings.metagen.metrics_port,
        "serve": settings.serving.metrics_port,
        "shadow": settings.trainer.shadow_metrics_port,
        "live": settings.live.metrics_port,
        "archive": settings.stream.archive_metrics_port,
        "ingest": settings.ingest.metrics_port,
    }
