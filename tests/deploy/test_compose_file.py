"""docker-compose.yml is one that Compose takes, gives nothing away, and says what the workers understand."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import pytest
from outside_tools import Run
from stack_file import ROOT, STACK, services

from asmg.config import Settings
from stream.broker.jars import COORDINATES
from stream.broker.node import Node

CUDA = ROOT / "deploy" / "compose.cuda.yml"

#: Whose image has a user of its own without being told.
OWN_USER = {"kafka"}
#: Whose image writes beside what is mounted.
WRITES = {"kafka"}
#: The one that ends when its work is done.
ENDS = {"replay"}


def test_it_follows_the_schema_of_compose(uvx: Callable[..., Run]) -> None:
    check = uvx("check-jsonschema", "0.39.0", "check-jsonschema")
    done = check("--builtin-schema", "vendor.compose-spec", str(STACK), str(CUDA))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.timeout(900)  # the loader is compiled once
def test_the_loader_of_compose_takes_it_and_reads_what_these_tests_read(compose_loader: Run) -> None:
    done = compose_loader(str(STACK))
    assert done.returncode == 0, done.stderr
    loaded, ours = json.loads(done.stdout)["services"], services()
    assert loaded.keys() == ours.keys()
    for name, service in ours.items():
        told = {one: value for one, value in loaded[name].get("environment", {}).items() if value is not None}
        assert told == service["environment"]
        assert loaded[name].get("command") == service.get("command")
        assert loaded[name].get("healthcheck", {}).get("test") == service.get("healthcheck", {}).get("test")


@pytest.mark.timeout(900)
def test_with_a_gpu_what_learns_has_it_and_the_image_for_it(compose_loader: Run) -> None:
    done = compose_loader(str(STACK), str(CUDA))
    assert done.returncode == 0, done.stderr
    for name, service in json.loads(done.stdout)["services"].items():
        learns = name in ("train", "metagen", "shadow")
        assert (service["image"] == "asmg-stream:cuda") is learns
        if learns:
            assert service["build"]["target"] == "cuda"
            assert service["deploy"]["resources"]["reservations"]["devices"][0]["capabilities"] == ["gpu"]


@pytest.mark.timeout(900)
def test_the_loader_finds_what_the_schema_cannot(compose_loader: Run, tmp_path) -> None:
    broken = tmp_path / "docker-compose.yml"
    broken.write_text(STACK.read_text().replace("network_mode: service:pod", "network_mode: service:nobody"))
    assert compose_loader(str(broken)).returncode != 0


@pytest.mark.parametrize("name", services())
def test_a_service_is_bounded_and_may_do_no_more_than_it_needs(name: str) -> None:
    service = services()[name]
    assert {"cpus", "memory", "pids"} <= service["deploy"]["resources"]["limits"].keys()
    assert ":" in service["image"]
    assert not service["image"].endswith(":latest")
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service.get("read_only", False) is (name not in WRITES)
    assert name in OWN_USER or not service["user"].startswith(("0", "root"))
    assert ("healthcheck" in service) is (name not in ENDS)
    assert service["restart"] == ("on-failure" if name in ENDS else "unless-stopped")


def test_ports_are_those_of_the_hosts_loopback() -> None:
    ports = [port for service in services().values() for port in service.get("ports", ())]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_whoever_has_the_pods_loopback_waits_for_the_pod() -> None:
    for service in services().values():
        if service.get("network_mode"):
            assert service["network_mode"] == "service:pod"
            assert service["depends_on"]["pod"] == {"condition": "service_healthy", "restart": True}


def test_no_secret_has_a_value_and_one_of_the_environment_is_passed_on() -> None:
    secret = re.compile(r"PASSWORD|SECRET|TOKEN|ACCESS_KEY|USERNAME|OPTIONS")
    for service in services().values():
        assert not [name for name in service["environment"] if secret.search(name)]
    given = services({"ASMG_REDIS_PASSWORD": "s3cret"})["train"]["environment"]
    assert given["ASMG_REDIS_PASSWORD"] == "s3cret"


def test_what_the_workers_are_told_they_understand() -> None:
    named = set(re.findall(r"^  (ASMG_\w+):", STACK.read_text(), re.MULTILINE)) - {"ASMG_LOG"}
    known = {
        f"ASMG_{section}_{name}".upper()
        for section, field in Settings.model_fields.items()
        for name in getattr(field.annotation, "model_fields", ())
    }
    assert named - known == {"ASMG_HOME", "ASMG_REGISTRY_USERNAME", "ASMG_REGISTRY_PASSWORD"}


def test_all_workers_have_the_same_configuration() -> None:
    told = [one["environment"] for one in services().values() if (one.get("command") or [""])[0] == "asmg"]
    assert len(told) == 9
    assert all(one == told[0] for one in told)


def test_kafka_is_of_the_embedded_ones_version_and_set_as_it_is(tmp_path) -> None:
    service = services()["kafka"]
    assert service["image"] == f"apache/kafka:{COORDINATES.split('+')[0].split(':')[2]}"
    node = Node(tmp_path, 1, 1, {1: 2})
    node.write_properties()
    ours = dict(line.split("=", 1) for line in node.properties.read_text().splitlines())
    theirs = {
        name.removeprefix("KAFKA_").lower().replace("_", "."): value
        for name, value in service["environment"].items()
    }
    places = {name for name in ours if "listeners" in name or "voters" in name or name == "log.dirs"}
    for name in ours.keys() - places - {"controller.listener.names"}:
        assert theirs[name] == ours[name], name
