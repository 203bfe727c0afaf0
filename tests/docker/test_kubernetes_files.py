"""The Kubernetes example: it parses, its names agree, and it runs what docker-compose.yml runs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from compose_file import ROOT, read_target
from compose_rules import SECRET

MANIFEST = ROOT / "docker" / "kubernetes" / "sigmoidf1.yaml"
GUIDE = ROOT / "docs" / "kubernetes.md"

# The JSON names in KubeRay's ray-operator/apis/ray/v1/raycluster_types.go.
CLUSTER_FIELDS = {
    *("suspend", "managedBy", "autoscalerOptions", "headServiceAnnotations", "rayVersion"),
    *("enableInTreeAutoscaling", "gcsFaultToleranceOptions", "headGroupSpec", "workerGroupSpecs"),
    "authOptions",
}
HEAD_FIELDS = {
    *("template", "headService", "enableIngress", "rayStartParams", "serviceType", "resources"),
    "labels",
}
WORKER_FIELDS = {
    *("suspend", "groupName", "replicas", "minReplicas", "maxReplicas", "idleTimeoutSeconds"),
    *("rayStartParams", "template", "scaleStrategy", "numOfHosts", "resources", "labels"),
}
WORKER_REQUIRED = {"groupName", "minReplicas", "maxReplicas", "rayStartParams", "template"}


@pytest.fixture(scope="module")
def objects() -> dict[str, dict[str, Any]]:
    documents = yaml.safe_load_all(MANIFEST.read_text(encoding="utf-8"))
    return {f"{each['kind']}/{each['metadata']['name']}": each for each in documents}


def pods(objects: dict[str, dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    cluster = objects["RayCluster/sigmoidf1"]["spec"]
    yield "ray-head", cluster["headGroupSpec"]["template"]["spec"]
    for group in cluster["workerGroupSpecs"]:
        yield "ray-worker", group["template"]["spec"]
    yield "migrate", objects["Job/sigmoidf1-migrate"]["spec"]["template"]["spec"]
    yield "dashboard", objects["Deployment/sigmoidf1-dashboard"]["spec"]["template"]["spec"]


def compose() -> dict[str, Any]:
    text = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    return yaml.safe_load(text)["services"]


def test_the_ray_cluster_has_the_operators_fields_and_our_ray(objects: dict) -> None:
    spec = objects["RayCluster/sigmoidf1"]["spec"]
    assert set(spec) <= CLUSTER_FIELDS
    assert set(spec["headGroupSpec"]) <= HEAD_FIELDS
    for group in spec["workerGroupSpecs"]:
        assert set(group) >= WORKER_REQUIRED
        assert set(group) <= WORKER_FIELDS
        assert group["minReplicas"] <= group["replicas"] <= group["maxReplicas"]
    params = [spec["headGroupSpec"], *spec["workerGroupSpecs"]]
    for each in params:
        assert all(isinstance(value, str) for value in each["rayStartParams"].values())
    pinned = re.search(r"^ray==(\S+)$", Path(ROOT / "constraints.txt").read_text(), re.MULTILINE)
    assert spec["rayVersion"] == pinned[1]


def test_pods_run_what_the_services_of_compose_run(objects: dict) -> None:
    services = compose()
    for name, pod in pods(objects):
        (container,) = pod["containers"]
        image = services[name]["image"].partition(":")[0]
        assert container["image"].partition(":")[0] == image
        told = {each["name"] for each in container["env"]}
        assert told == set(services[name]["environment"]) - {"RAY_ADDRESS"}
        if not name.startswith("ray-"):  # KubeRay makes the command of Ray's pods
            assert container["args"] == services[name]["command"]
    tags = {read_target(tag).user for tag in ("cpu", "cuda", "dashboard")}
    assert tags == {"1000:1000"}


def test_every_pod_is_an_unprivileged_user_with_limits(objects: dict) -> None:
    for _, pod in pods(objects):
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["runAsUser"] == 1000
        for container in pod["containers"]:
            assert container["securityContext"]["allowPrivilegeEscalation"] is False
            assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
            assert "memory" in container["resources"]["limits"]


def test_secrets_come_from_the_secret_that_the_guide_makes(objects: dict) -> None:
    made = set(re.findall(r"--from-literal=([a-z-]+)=", GUIDE.read_text(encoding="utf-8")))
    used = set()
    for _, pod in pods(objects):
        for container in pod["containers"]:
            for each in container["env"]:
                if SECRET.search(each["name"]) and each["name"] != "RAY_AUTH_MODE":
                    reference = each["valueFrom"]["secretKeyRef"]
                    assert reference["name"] == "sigmoidf1"
                    used.add(reference["key"])
    assert used == made
    assert not any(each["kind"] == "Secret" for each in objects.values())


def test_names_agree(objects: dict) -> None:
    settings = objects["ConfigMap/sigmoidf1"]["data"]
    for _, pod in pods(objects):
        volumes = {volume["name"]: volume for volume in pod.get("volumes", ())}
        for volume in volumes.values():
            claim = volume.get("persistentVolumeClaim", {}).get("claimName")
            assert claim is None or f"PersistentVolumeClaim/{claim}" in objects
        for container in pod["containers"]:
            assert {mount["name"] for mount in container.get("volumeMounts", ())} <= set(volumes)
            ports = {port["name"] for port in container.get("ports", ())}
            for probe in ("readinessProbe", "livenessProbe"):
                action = container.get(probe, {}).get("httpGet", {})
                assert isinstance(action.get("port", 0), int) or action["port"] in ports
            for each in container["env"]:
                reference = each.get("valueFrom", {}).get("configMapKeyRef")
                assert reference is None or reference["key"] in settings
    deployment = objects["Deployment/sigmoidf1-dashboard"]["spec"]
    labels = deployment["template"]["metadata"]["labels"]
    assert deployment["selector"]["matchLabels"] == labels
    service = objects["Service/sigmoidf1-dashboard"]["spec"]
    assert service["selector"] == labels
    stores = compose()
    assert settings["store"] == stores["migrate"]["environment"]["SIGMOIDF1_STORE"]
    assert settings["store-reader"] == stores["dashboard"]["environment"]["SIGMOIDF1_STORE"]
