"""octile-serve: a folder of models over REST and gRPC. Flags are read before KServe is asked for.

KServe's own flags of the same meaning are taken too (--http_port, --grpc_port, --model_name,
--model_dir), so that a ServingRuntime's arguments serve as they are written for other runtimes.
"""

from __future__ import annotations

import argparse
import copy
import logging
import os
import socket
import sys
import warnings
from collections.abc import Callable
from pathlib import Path


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "octile-serve",
        description="Serves plans and ONNX models of a folder by the Open Inference Protocol v2. "
        "MODEL_DIR holds name/version/model.plan (or model.onnx), or name.plan; octile.json beside "
        "a model says how that model is served (docs/serving.md).",
    )
    parser.add_argument("folder", nargs="?", metavar="MODEL_DIR", help="the folder of models")
    parser.add_argument("--model-dir", "--model_dir", help="the same, as KServe writes it")
    parser.add_argument("--model-name", "--model_name", help="the name of a folder's only model")
    parser.add_argument("--host", default="0.0.0.0", help="address to listen on (0.0.0.0)")
    parser.add_argument(
        "--http-port", "--http_port", type=_number(1, 65535), default=8080, help="8080"
    )
    parser.add_argument(
        "--grpc-port", "--grpc_port", type=_number(0, 65535), default=8081, help="8081; 0: no gRPC"
    )
    _add_model_flags(parser)
    parser.add_argument(
        "--max-request-bytes",
        type=_number(1),
        help="longer ones are refused (what the largest model loaded at the start takes, as JSON)",
    )
    parser.add_argument(
        "--max-bytes-under-way",
        type=_number(1),
        help="of all requests at a time, JSON's counted eightfold; more are refused for the "
        "moment (an eighth of the memory)",
    )
    parser.add_argument(
        "--drain-seconds",
        type=_number(0),
        default=30,
        help="most to wait for answers on SIGTERM (30)",
    )
    parser.add_argument("--access-log", action="store_true", help="one line a request")
    return parser


def _number(least: int, most: int = 2**63 - 1) -> Callable[[str], int]:
    """A flag's type: whole numbers of a range."""

    def read(text: str) -> int:
        if not (text.isascii() and text.isdecimal()) or not least <= int(text) <= most:
            upper = f" to {most}" if most < 2**63 - 1 else " on"
            raise argparse.ArgumentTypeError(f"{text!r} is no whole number from {least}{upper}")
        return int(text)

    return read


def _add_model_flags(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("of every model, unless its octile.json says otherwise")
    group.add_argument("--instances", type=int, help="contexts that run at the same time")
    group.add_argument("--threads", type=int, help="threads of each (both: told from the cores)")
    group.add_argument("--queue", type=int, default=512, help="requests that wait at most (512)")
    group.add_argument(
        "--max-delay",
        type=float,
        default=0.0,
        metavar="MS",
        help="milliseconds that a request waits for others to share its batch (0: batches are "
        "what gathers while the engine is busy)",
    )
    group.add_argument(
        "--batching",
        choices=("exact", "any", "off"),
        default="exact",
        help="exact: requests share a batch only where each gets the same bits as alone; any: "
        "float steps too, whose last bits may differ",
    )
    group.add_argument("--max-batch", type=int, default=32, help="of .onnx files (32)")
    group.add_argument("--device", default="cpu", help="cpu, cuda:0 …")


def main() -> None:
    parser = _parser()
    flags = parser.parse_args()
    folder = flags.folder or flags.model_dir
    if not folder:
        parser.error("MODEL_DIR is missing")
    if flags.folder and flags.model_dir:
        parser.error("MODEL_DIR and --model-dir are the same: give one of them")
    for port in filter(None, (flags.http_port, flags.grpc_port)):
        _refuse_taken(flags.host, port)
    sys.argv[1:] = []  # KServe reads them when it is imported, and knows other ones
    try:
        from octile import serve
    except ImportError as error:
        sys.exit(f"octile-serve: {error}")
    configure_logging(flags.access_log)
    try:
        options = serve.Options(
            instances=flags.instances,
            threads=flags.threads,
            queue=flags.queue,
            max_delay_ms=flags.max_delay,
            batching=flags.batching,
            max_batch=flags.max_batch,
            device=flags.device,
        )
        repository = serve.OctileRepository(Path(folder), options, flags.model_name)
        repository.load_models()
    except Exception as error:  # a model that cannot be served ends the start, with its reason
        sys.exit(f"octile-serve: {error}")
    server = serve.OctileServer(
        repository,
        host=flags.host,
        http_port=flags.http_port,
        grpc_port=flags.grpc_port,
        max_request_bytes=flags.max_request_bytes,
        max_bytes_under_way=flags.max_bytes_under_way,
        drain_seconds=flags.drain_seconds,
    )
    server.serve()
    if repository.loads_under_way:  # a thread that builds a model would outlive its interpreter
        logging.shutdown()
        os._exit(0)


def _refuse_taken(host: str, port: int) -> None:
    """Ends the program before it loads models where it could not listen."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            s.bind((host, port))
        except OSError as error:
            sys.exit(f"octile-serve: {host}:{port}: {error.strerror or error}")


class _WithoutClients(logging.Filter):
    """Drops what KServe logs, with its stack, of a client's mistake: the answer has the reason."""

    def filter(self, record: logging.LogRecord) -> bool:
        from kserve.errors import InvalidInput, ModelNotFound, ModelNotReady

        error = record.exc_info[1] if record.exc_info else None
        return not isinstance(error, (InvalidInput, ModelNotFound, ModelNotReady))


def configure_logging(access_log: bool) -> None:
    """KServe's, without its lines a request, and with ours."""
    from kserve import logging as kserve_logging

    config = copy.deepcopy(kserve_logging.KSERVE_LOG_CONFIG)
    loggers = config["loggers"]
    loggers["octile"] = {"handlers": ["kserve"], "level": "INFO", "propagate": False}
    for name in ("kserve", "kserve.trace", "uvicorn", "uvicorn.error"):
        loggers[name]["level"] = "WARNING"
    if not access_log:
        loggers["uvicorn.access"]["level"] = "WARNING"
    kserve_logging.configure_logging(config)
    kserve_logging.logger.addFilter(_WithoutClients())
    warnings.filterwarnings("ignore", message="ORJSONResponse is deprecated")  # KServe's to mend
