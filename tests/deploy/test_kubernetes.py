"""deploy/kubernetes is what Kubernetes takes, gives nothing away, and says what the workers understand."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from exported import exported
from outside_tools import Run
from stack_file import ROOT, services

from asmg.cli import app
from asmg.config import Settings
from asmg.options import settings_of
from serving.settings import is_loopback, require_guarded
from stream.log import FORM

FOLDER = ROOT / "deploy" / "kubernetes"

#: The setting of each worker's metrics port.
METRICS = {
    "window": ("stream", "metrics_port"),
    "archive": ("stream", "archive_metrics_port"),
    "train": ("trainer", "metrics_port"),
    "shadow": ("trainer", "shadow_metrics_port"),
    "metagen": ("metagen", "metrics_port"),
    "serve": ("serving", "metrics_port"),
    "live": ("live", "metrics_port"),
    "ingest": ("ingest", "metrics_port"),
}
#: The secret `tokens`, as somebody might have made it.
TOKENS = {"rank": "r" * 32, "admin": "a" * 32}

#: An overlay as docs/operations.md has it.
OVERLAY = """
resources: [base]
components: [base/bucket]
images: [{name: asmg-stream, newName: here/asmg-stream, newTag: "7"}]
replicas: [{name: archive, count: 1}]
configMapGenerator:
  - {name: settings, namespace: asmg, behavior: replace, files: [asmg.toml]}
  - {name: environment, namespace: asmg, behavior: merge, literals: [OTEL_EXPORTER_OTLP_ENDPOINT=http://here:4318]}
"""

Manifest = dict[str, Any]


@pytest.fixture(scope="module")
def rendered(kustomize: Run) -> str:
    """All of it."""
    done = kustomize("build", str(FOLDER))
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def manifests(rendered: str) -> list[Manifest]:
    """One by one."""
    return list(yaml.safe_load_all(rendered))


def of_kind(manifests: list[Manifest], kind: str) -> dict[str, Manifest]:
    """By name."""
    return {one["metadata"]["name"]: one for one in manifests if one["kind"] == kind}


def pods(manifests: list[Manifest]) -> dict[str, Manifest]:
    """What the pods of each worker are to be."""
    return {name: one["spec"]["template"] for name, one in of_kind(manifests, "Deployment").items()}


def containers(manifests: list[Manifest]) -> Iterator[tuple[str, Manifest]]:
    """Each with its worker's name."""
    for worker, pod in pods(manifests).items():
        for container in pod["spec"]["containers"]:
            yield worker, container


def worker_in(pod: Manifest) -> Manifest:
    """The container of the worker itself."""
    (found,) = (one for one in pod["spec"]["containers"] if one["name"] == "asmg")
    return found


@pytest.mark.timeout(900)  # both are compiled once
def test_it_follows_the_schemas_of_kubernetes_and_a_mistake_is_found(
    rendered: str, kubeconform: Run, tmp_path: Path
) -> None:
    good, bad = tmp_path / "good.yaml", tmp_path / "bad.yaml"
    good.write_text(rendered)
    done = kubeconform("-summary", str(good))
    assert done.returncode == 0, done.stdout
    assert "Skipped: 0" in done.stdout
    for right, wrong in [("readOnlyRootFilesystem", "readOnlyRootFileSystem"), ("httpGet", "httpAsk")]:
        bad.write_text(rendered.replace(right, wrong))
        assert wrong in kubeconform(str(bad)).stdout


def test_the_workers_are_those_of_docker_compose(manifests: list[Manifest]) -> None:
    asmg = [one["command"][1] for one in services().values() if (one.get("command") or [""])[0] == "asmg"]
    assert pods(manifests).keys() == set(asmg) - {"replay"} == METRICS.keys()


def test_no_container_may_do_more_than_it_needs(manifests: list[Manifest]) -> None:
    for worker, container in containers(manifests):
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }, worker
        assert container["resources"].keys() == {"requests", "limits"}
        assert not container["image"].endswith(":latest")
    user = services()["train"]["user"]
    for pod in pods(manifests).values():
        may, spec = pod["spec"]["securityContext"], pod["spec"]
        assert f"{may['runAsUser']}:{may['runAsGroup']}" == user
        assert may["runAsNonRoot"]
        assert may["seccompProfile"] == {"type": "RuntimeDefault"}
        assert (spec["automountServiceAccountToken"], spec["enableServiceLinks"]) == (False, False)
    (namespace,) = of_kind(manifests, "Namespace").values()
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


@pytest.mark.parametrize("worker", METRICS)
def test_a_workers_command_and_settings_are_understood_and_asked_where_they_say(
    manifests: list[Manifest], worker: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pod = pods(manifests)[worker]
    container = worker_in(pod)
    program, name = container["command"]
    assert (program, name) == ("asmg", worker)
    assert name in typer.main.get_command(app).commands  # type: ignore[attr-defined]
    maps = of_kind(manifests, "ConfigMap")
    told = environment(container, maps)
    assert told.pop(FORM) == "json"
    assert told.keys() - known() <= {"ASMG_HOME", "ASMG_CONFIG", "NUMBA_CACHE_DIR"}

    (mounted,) = (one for one in pod["spec"]["volumes"] if one["name"] == "settings")
    (file,) = maps[mounted["configMap"]["name"]]["data"].items()
    (tmp_path / file[0]).write_text(file[1])
    places = {one["name"]: one["mountPath"] for one in container["volumeMounts"]}
    assert told["ASMG_CONFIG"] == f"{places['settings']}/{file[0]}"
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("ASMG_CONFIG", str(tmp_path / file[0]))
    settings = settings_of([])

    assert {told["ASMG_HOME"], Path(told["NUMBA_CACHE_DIR"]).parent.as_posix()} <= set(places.values())
    assert settings.kafka.bootstrap
    section, field = METRICS[worker]
    port = getattr(getattr(settings, section), field)
    (door,) = (one for one in pod["spec"]["containers"] if one["name"] == "door")
    opened, behind = door["command"][-2:]
    assert door["command"][:-2] == ["python", "-m", "deploy.door"]
    assert behind == str(port)
    assert door["ports"] == [{"name": "metrics", "containerPort": int(opened)}]
    assert pod["metadata"]["annotations"]["prometheus.io/port"] == opened
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        if worker != "serve":
            asks = container[probe]["exec"]["command"]
            assert asks == ["python", "-m", "deploy.healthy", f"http://127.0.0.1:{port}/metrics"]
            continue
        asks = container[probe]["httpGet"]
        assert asks == {
            "path": f"/v2/health/{'ready' if probe == 'readinessProbe' else 'live'}",
            "port": "http",
        }
    if worker == "serve":
        assert not is_loopback(settings.serving.host)
        require_guarded(settings.serving)
        assert container["ports"] == [{"name": "http", "containerPort": settings.serving.port}]


def environment(container: Manifest, maps: dict[str, Manifest]) -> dict[str, str]:
    """A container's variables; what a secret would hold is made up, where it must be there."""
    told = dict[str, str]()
    for source in container["envFrom"]:
        if "configMapRef" in source:
            told |= maps[source["configMapRef"]["name"]]["data"]
        else:
            assert source["secretRef"]["optional"]
    for one in container["env"]:
        if "value" in one:
            told[one["name"]] = one["value"]
        elif not one["valueFrom"]["secretKeyRef"].get("optional"):
            told[one["name"]] = TOKENS[one["valueFrom"]["secretKeyRef"]["key"]]
    return told


def known() -> set[str]:
    """The variables of all settings in sections."""
    return {
        f"ASMG_{section}_{name}".upper()
        for section, field in Settings.model_fields.items()
        for name in getattr(field.annotation, "model_fields", ())
    }


def test_no_secret_has_a_value_and_the_guide_says_how_to_make_each(manifests: list[Manifest]) -> None:
    secret = re.compile(r"PASSWORD|SECRET|TOKEN|ACCESS_KEY|USERNAME|OPTIONS")
    guide = (ROOT / "docs" / "operations.md").read_text()
    named = set()
    for _, container in containers(manifests):
        for one in container.get("env", ()):
            assert "valueFrom" in one or not secret.search(one["name"])
            named |= {one["valueFrom"]["secretKeyRef"]["name"]} if "valueFrom" in one else set()
        named |= {one["secretRef"]["name"] for one in container.get("envFrom", ()) if "secretRef" in one}
    assert "Secret" not in {one["kind"] for one in manifests}
    assert named == {"kafka", "redis", "bucket", "tokens", "registry"}
    for name in named:
        assert f"secret generic {name} " in guide


def test_whoever_scales_protects_or_lets_in_finds_its_pods(manifests: list[Manifest]) -> None:
    labels = {name: pod["metadata"]["labels"] for name, pod in pods(manifests).items()}
    for name, one in of_kind(manifests, "Deployment").items():
        assert one["spec"]["selector"]["matchLabels"] == labels[name]
    for kind in ("PodDisruptionBudget", "HorizontalPodAutoscaler"):
        assert of_kind(manifests, kind).keys() == {"window", "serve"}
    for name, one in of_kind(manifests, "PodDisruptionBudget").items():
        assert one["spec"]["selector"]["matchLabels"] == labels[name]
    (service,) = of_kind(manifests, "Service").values()
    assert service["spec"]["selector"] == labels["serve"]
    ports = {port["name"] for _, one in containers(manifests) for port in one.get("ports", ())}
    assert {port["targetPort"] for port in service["spec"]["ports"]} <= ports
    for one in of_kind(manifests, "NetworkPolicy").values():
        asked = {port["port"] for rule in one["spec"]["ingress"] for port in rule["ports"]}
        assert asked <= ports


def test_windowing_grows_with_its_lag_up_to_its_partitions(manifests: list[Manifest]) -> None:
    found = of_kind(manifests, "HorizontalPodAutoscaler")
    (metric,) = found["window"]["spec"]["metrics"]
    assert metric["pods"]["metric"]["name"] in exported()
    told = [data for one in of_kind(manifests, "ConfigMap").values() for data in one["data"].items()]
    (text,) = (text for name, text in told if name == "asmg.toml")
    (partitions,) = re.findall(r"^partitions = (\d+)", text, re.MULTILINE)
    assert found["window"]["spec"]["maxReplicas"] == int(partitions)
    for name, one in found.items():
        assert one["spec"]["scaleTargetRef"]["name"] == name
        assert "replicas" not in of_kind(manifests, "Deployment")[name]["spec"]  # that is the autoscaler's


def test_an_overlay_keeps_models_in_a_bucket_and_adds_to_the_environment(
    kustomize: Run, tmp_path: Path
) -> None:
    (tmp_path / "base").symlink_to(FOLDER)
    (tmp_path / "kustomization.yaml").write_text(OVERLAY)
    (tmp_path / "asmg.toml").write_text('[store]\nfolder = "s3://models/shop"\n')
    done = kustomize("build", str(tmp_path))
    assert done.returncode == 0, done.stderr
    manifests = list(yaml.safe_load_all(done.stdout))
    assert not of_kind(manifests, "PersistentVolumeClaim")
    assert of_kind(manifests, "Deployment")["archive"]["spec"]["replicas"] == 1
    maps = of_kind(manifests, "ConfigMap")
    for pod in pods(manifests).values():
        (store,) = (one for one in pod["spec"]["volumes"] if one["name"] == "store")
        assert store == {"name": "store", "emptyDir": {}}
        told = environment(worker_in(pod), maps)
        assert (told[FORM], told["OTEL_EXPORTER_OTLP_ENDPOINT"]) == ("json", "http://here:4318")
        assert {one["image"] for one in pod["spec"]["containers"]} == {"here/asmg-stream:7"}
        (mounted,) = (one for one in pod["spec"]["volumes"] if one["name"] == "settings")
        assert "s3://models/shop" in maps[mounted["configMap"]["name"]]["data"]["asmg.toml"]


def test_prometheus_finds_the_pods_under_the_labels_that_alerts_and_autoscaler_need(
    manifests: list[Manifest], promtool: Run, tmp_path: Path
) -> None:
    """Debian's knows no Kubernetes to ask, so each container is there as Kubernetes would tell of it."""
    configuration = yaml.safe_load((FOLDER / "prometheus.yml").read_text())
    (job,) = configuration["scrape_configs"]
    (discovery,) = job.pop("kubernetes_sd_configs")
    assert (discovery["role"], discovery["namespaces"]["names"]) == (
        "pod",
        [*of_kind(manifests, "Namespace")],
    )
    assert configuration.pop("rule_files") == ["alerts.yml"]
    job["static_configs"] = [
        {"targets": [f"10.0.0.1:{port['containerPort']}"], "labels": discovered(worker, pod, port)}
        for worker, pod in pods(manifests).items()
        for container in pod["spec"]["containers"]
        for port in container.get("ports", ())
    ]
    (tmp_path / "prometheus.yml").write_text(yaml.safe_dump(configuration))
    done = promtool("check", "service-discovery", "--timeout=1s", str(tmp_path / "prometheus.yml"), "asmg")
    assert done.returncode == 0, done.stdout + done.stderr
    scraped = [one["labels"] for one in json.loads(done.stdout) if one["labels"]]
    assert {one["worker"] for one in scraped} == pods(manifests).keys()
    assert len(scraped) == len(pods(manifests))
    for one in scraped:
        port = pods(manifests)[one["worker"]]["metadata"]["annotations"]["prometheus.io/port"]
        assert one["__address__"].endswith(f":{port}")
        assert (one["job"], one["namespace"], one["pod"]) == ("asmg", "asmg", f"{one['worker']}-1")


def discovered(worker: str, pod: Manifest, port: Manifest) -> dict[str, str]:
    """What Prometheus learns of a port of a pod."""
    return {
        "__meta_kubernetes_namespace": "asmg",
        "__meta_kubernetes_pod_name": f"{worker}-1",
        "__meta_kubernetes_pod_label_worker": pod["metadata"]["labels"]["worker"],
        "__meta_kubernetes_pod_container_port_name": port["name"],
        "__meta_kubernetes_pod_annotation_prometheus_io_scrape": pod["metadata"]["annotations"][
            "prometheus.io/scrape"
        ],
    }
