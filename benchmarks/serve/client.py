"""A load of `concurrency` requests that are always under way, in a process of its own.

    client.py http|grpc ADDRESS INPUT.npy EXPECTED.npy CONCURRENCY SECONDS WARM_UP

Prints one JSON object. A result whose bits are not EXPECTED's counts as different; with rows of the
same number, so that a float engine that was given a batch may be told from one that was not.
"""

import asyncio
import importlib
import json
import resource
import sys
import time

import numpy as np


class Load:
    def __init__(self, way, address, inputs, expected):
        self.module = importlib.import_module(f"tritonclient.{way}.aio")
        self.way, self.address = way, address
        self.expected = expected
        self.name, self.requests = None, inputs
        self.latencies, self.different, self.errors, self.largest = [], 0, [], 0.0

    async def run(self, concurrency, seconds, warm_up):
        limit = {"conn_limit": concurrency} if self.way == "http" else {}
        client = self.module.InferenceServerClient(self.address, **limit)
        metadata = await client.get_model_metadata("m")
        tensor = metadata["inputs"][0] if self.way == "http" else metadata.inputs[0]
        name = tensor["name"] if self.way == "http" else tensor.name
        output = metadata["outputs"][0] if self.way == "http" else metadata.outputs[0]
        self.output = output["name"] if self.way == "http" else output.name
        self.requests = [self._request(name, x[None]) for x in self.requests]
        begin = time.perf_counter() + warm_up
        end = begin + seconds
        await asyncio.gather(*(self._send(client, i, begin, end) for i in range(concurrency)))
        await client.close()

    def _request(self, name, x):
        tensor = self.module.InferInput(name, x.shape, "FP32")
        tensor.set_data_from_numpy(x)
        return [tensor]

    async def _send(self, client, index, begin, end):
        while (start := time.perf_counter()) < end:
            index = (index + 1) % len(self.requests)
            try:
                y = (await client.infer("m", self.requests[index])).as_numpy(self.output)[0]
            except Exception as error:  # counted, and told
                self.errors.append(str(error))
                continue
            if start >= begin:
                self.latencies.append(time.perf_counter() - start)
            self.different += y.tobytes() != self.expected[index].tobytes()
            self.largest = max(self.largest, float(np.abs(y - self.expected[index]).max()))


def report(load, seconds):
    if not load.latencies:
        first = load.errors[0] if load.errors else "none outlasted its warm-up"
        sys.exit(f"no request was answered in {seconds:g} s; {len(load.errors)} errors: {first}")
    milliseconds = np.array(load.latencies) * 1e3
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "requests": len(milliseconds),
        "requests_per_s": len(milliseconds) / seconds,
        "p50_ms": float(np.percentile(milliseconds, 50)),
        "p99_ms": float(np.percentile(milliseconds, 99)),
        "errors": len(load.errors),
        "first_error": load.errors[:1],
        "different": load.different,
        "largest_difference": load.largest,
        "client_cpu_s": usage.ru_utime + usage.ru_stime,
    }


def main():
    way, address, inputs, expected = sys.argv[1:5]
    concurrency, seconds, warm_up = int(sys.argv[5]), float(sys.argv[6]), float(sys.argv[7])
    load = Load(way, address, np.load(inputs), np.load(expected))
    asyncio.run(load.run(concurrency, seconds, warm_up))
    print(json.dumps(report(load, seconds)))


if __name__ == "__main__":
    main()
