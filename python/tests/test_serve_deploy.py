"""deploy/'s manifests against the models of the kserve and kubernetes packages, key by key."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from serve_server import needs_kserve

pytestmark = needs_kserve
DEPLOY = Path(__file__).resolve().parent.parent.parent / "deploy"

# A process of its own: KServe and tritonclient clash in one.
CHECK = r"""
import json, re, sys
import yaml
pairs = json.loads(sys.argv[1])
sys.argv[1:] = []
import kubernetes.client.models as kubernetes
import kserve.models

PLAIN = {"str": str, "int": int, "bool": bool, "float": (int, float), "object": object}

def check(value, kind, place):
    if kind in PLAIN:
        assert isinstance(value, PLAIN[kind]), f"{place}: {value!r} is no {kind}"
        return value
    if listed := re.fullmatch(r"[Ll]ist\[(.*)\]", kind):
        assert isinstance(value, list), f"{place} is no list"
        return [check(v, listed[1], f"{place}[{i}]") for i, v in enumerate(value)]
    if mapped := re.fullmatch(r"(?:dict\(|Dict\[)str, (.*)[)\]]", kind):
        assert isinstance(value, dict), f"{place} is no mapping"
        return {k: check(v, mapped[1], f"{place}.{k}") for k, v in value.items()}
    model = getattr(kserve.models, kind, None) or getattr(kubernetes, kind)
    assert isinstance(value, dict), f"{place} is no {kind}"
    attributes = {key: name for name, key in model.attribute_map.items()}
    unknown = sorted(set(value) - set(attributes))
    assert not unknown, f"{place}: {kind} has no {unknown}"
    return model(**{  # refuses where a required field is missing
        attributes[k]: check(v, model.openapi_types[attributes[k]], f"{place}.{k}")
        for k, v in value.items()
    })

def result(file, model):
    with open(file) as stream:
        document = yaml.safe_load(stream)
    try:
        check(document, model, "")
    except (AssertionError, ValueError) as error:
        return f"refused: {error}"
    return document

print(json.dumps([result(*pair) for pair in pairs]))
"""

RUNTIME = ("serving-runtime.yaml", "V1alpha1ServingRuntime")
SERVICES = [
    ("inference-service.yaml", "V1beta1InferenceService"),
    ("inference-service-grpc.yaml", "V1beta1InferenceService"),
]
MISTAKES = [
    ("supportedModelFormats", "supportedModelFormat", "supportedModelFormat"),
    ("containerPort: 8080", 'containerPort: "8080"', "is no int"),
    ("periodSeconds: 10", "periodsSeconds: 10", "periodsSeconds"),
    ("containers:", "container:", "container"),
]


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """By file name: the document, or why it was refused. One process: KServe loads slowly."""
    folder = tmp_path_factory.mktemp("manifests")
    pairs = [(DEPLOY / name, model) for name, model in (RUNTIME, *SERVICES)]
    good = (DEPLOY / RUNTIME[0]).read_text()
    for i, (text, changed, _) in enumerate(MISTAKES):
        assert text in good
        pairs.append((folder / f"mistake{i}", RUNTIME[1]))
        pairs[-1][0].write_text(good.replace(text, changed))
    given = json.dumps([(str(path), model) for path, model in pairs])
    ended = subprocess.run([sys.executable, "-c", CHECK, given], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    return {path.name: result for (path, _), result in zip(pairs, json.loads(ended.stdout))}


@pytest.fixture
def runtime(results):
    assert isinstance(results[RUNTIME[0]], dict), results[RUNTIME[0]]
    return results[RUNTIME[0]]


@pytest.mark.parametrize(
    ("name", "protocol"), [(SERVICES[0][0], "v2"), (SERVICES[1][0], "grpc-v2")]
)
def test_services_fit_the_models_and_the_runtime(results, runtime, name, protocol):
    service = results[name]
    assert isinstance(service, dict), service
    assert service["apiVersion"] == "serving.kserve.io/v1beta1"
    predictor = service["spec"]["predictor"]
    model = predictor["model"]
    assert model["runtime"] == runtime["metadata"]["name"]
    formats = {f["name"] for f in runtime["spec"]["supportedModelFormats"]}
    assert model["modelFormat"]["name"] in formats
    assert model["protocolVersion"] == protocol
    assert protocol in runtime["spec"]["protocolVersions"]
    container = runtime["spec"]["containers"][0]
    drain = int(re.search(r"--drain-seconds=(\d+)", " ".join(container["args"]))[1])
    pause = int(container["lifecycle"]["preStop"]["exec"]["command"][1])
    assert predictor["terminationGracePeriodSeconds"] > drain + pause


def test_the_runtimes_arguments_are_the_programs(runtime):
    from octile import _serve_cli

    container = runtime["spec"]["containers"][0]
    flags = _serve_cli._parser().parse_args(container["args"])
    assert flags.model_dir == "/mnt/models"
    assert flags.model_name == "{{.Name}}"
    ports = [port["containerPort"] for port in container["ports"]]
    assert ports == [flags.http_port]
    probes = {container[f"{kind}Probe"]["httpGet"]["port"] for kind in ("liveness", "readiness")}
    assert probes == {flags.http_port}
    assert runtime["spec"]["annotations"]["prometheus.kserve.io/port"] == str(flags.http_port)


def test_the_check_refuses_what_is_wrong(results):
    for i, (_, _, reason) in enumerate(MISTAKES):
        assert str(results[f"mistake{i}"]).startswith("refused: ")
        assert reason in results[f"mistake{i}"]


def test_the_dockerfile_starts_what_the_package_installs():
    lines = (DEPLOY / "Dockerfile").read_text().splitlines()
    project = (DEPLOY.parent / "pyproject.toml").read_text()
    entry = next(json.loads(x.split(" ", 1)[1]) for x in lines if x.startswith("ENTRYPOINT"))
    assert f'{entry[0]} = "octile._serve_cli:main"' in project
    assert next(x for x in lines if x.startswith("EXPOSE")).split()[1:] == ["8080", "8081"]
    assert re.search(r'^serve = \["kserve', project, re.M)
