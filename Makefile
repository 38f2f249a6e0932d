# Octile: verbs for people. `make help` lists them. Each says what it does and is quick the second
# time; builds go to build/<preset>.
SHELL := /bin/bash
JOBS ?= $(shell nproc)
PREFIX ?= /usr/local
DATA ?=
FUZZ_SECONDS ?= $(if $(SECONDS),$(SECONDS),60)
.DEFAULT_GOAL := help
.PHONY: help deps python-venv build demo demo-python demo-cluster wheel seed-program test test-all test-clock test-ray test-serve conformance fuzz asan tsan check-report test-arm check-sm61 test-gpu with-cuda \
  lint format reproduce bench-calibration bench-layers bench-cpu bench-gpu bench-precision bench-scale bench-serve sweep-int8 bench-levels accuracy check-install install uninstall clean

help: ## List every verb
	@grep -E '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

deps: ## Install missing packages (Debian 12, Ubuntu 24.04)
	@tools/install_dependencies.sh demo python

# Without PyPI the Python module is left out, and `make test` tells its tests as skipped; on CI that
# is a failure.
python-venv: deps
	@tools/python_venv.sh || { [ "$$CI" != true ] && echo "the Python module is left out"; }

# The release build has the Python module where its environment could be made.
PYTHON_READY = $(wildcard build/python-venv/ready)
PYTHON_FLAGS = $(if $(PYTHON_READY),-DOCTILE_PYTHON=ON -DPython_EXECUTABLE=$(CURDIR)/build/python-venv/bin/python3)
build/release/build.ninja: $(PYTHON_READY)

build/%/build.ninja: CMakePresets.json
	@echo "configuring build/$*"
	@cmake --preset $* $(if $(filter release,$*),$(PYTHON_FLAGS) $(CUDA_FLAGS)) \
	  >build/$*.configure.log 2>&1 || (cat build/$*.configure.log; exit 1)

# A demo that begins from nothing, where no GPU is, does without the GPU's kernels, which take minutes
# to compile; the next `make build` adds them.
DEMO_CUDA = CUDA_FLAGS=$(if $(wildcard /dev/nvidiactl),,-DOCTILE_CUDA=OFF)
with-cuda:
	@if grep -qs '^OCTILE_CUDA:STRING=OFF' build/release/CMakeCache.txt; then \
	  cmake -DOCTILE_CUDA=$(if $(OCTILE_CUDA),$(OCTILE_CUDA),AUTO) build/release >build/release.configure.log 2>&1 || \
	  (cat build/release.configure.log; exit 1); fi

build: deps python-venv ## Build everything: build/release/octile, libraries, tests, examples
	@mkdir -p build
	@$(MAKE) --no-print-directory build/release/build.ninja with-cuda
	@cmake --build build/release -j $(JOBS)

demo: deps ## Train-free demo on Fashion-MNIST: float against INT8, every scheme; build/demo
	@mkdir -p build/demo
	@$(MAKE) --no-print-directory build/release/build.ninja $(DEMO_CUDA)
	@cmake --build build/release -j $(JOBS) --target octile_cli octile_mnist_demo
	@build/release/examples/mnist/octile_mnist_demo --out build/demo --weights examples/mnist/para.npz \
	  --data $(if $(DATA),$(DATA),/usr/share/datasets/fashion-mnist)

demo-python: deps ## `pip install .` into build/python-venv and ten lines of Python: float against INT8
	@tools/python_venv.sh
	@$(MAKE) --no-print-directory build/release/build.ninja
	@echo "installing octile into build/python-venv"
	@build/python-venv/bin/pip install -q . $(SHARED_BUILD)
	@build/python-venv/bin/python3 examples/python/quickstart.py --out build/demo \
	  --data $(if $(DATA),$(DATA),/usr/share/datasets/fashion-mnist)

# pip compiles in build/release instead of a build of its own: what is compiled is not compiled again.
SHARED_BUILD = --no-build-isolation --config-settings=build-dir=build/release \
  --config-settings=cmake.define.OCTILE_TESTS=ON --config-settings=cmake.define.OCTILE_EXAMPLES=ON

wheel: deps ## A manylinux wheel with everything in it: build/wheels; checked in a fresh environment
	@tools/python_venv.sh
	@$(MAKE) --no-print-directory build/release/build.ninja
	@tools/make_wheel.sh $(SHARED_BUILD)

demo-cluster: deps python-venv ## Calibrate on a Ray cluster that loses a worker, serve the INT8 engine by KServe: build/demo/cluster.json
	@mkdir -p build/demo && $(MAKE) --no-print-directory build/release/build.ninja $(DEMO_CUDA)
	@cmake --build build/release -j $(JOBS) --target octile_python
	@tools/extra_venv.sh ray
	@tools/extra_venv.sh serve
	@$(RAY_PYTHON) examples/cluster/demo.py --out build/demo --serve build/serve-venv/bin/python3 \
	  --data $(if $(DATA),$(DATA),/usr/share/datasets/fashion-mnist) $(if $(SAMPLES),--samples $(SAMPLES))

# SEED names the text that holds the program, DATA a folder with MNIST's IDX files.
seed-program: ## Run the TensorRT program that Octile began with: build/demo/seed.json (SEED=text)
	@tools/install_dependencies.sh demo python seed
	@tools/python_venv.sh
	@$(MAKE) --no-print-directory build/release/build.ninja
	@cmake --build build/release -j $(JOBS) --target octile_python
	@SEED="$(SEED)" DATA="$(DATA)" PYTHONPATH=$(CURDIR)/build/release/python \
	  build/python-venv/bin/python3 tools/seed_program.py || [ $$? -eq 77 ]

test: build ## Build and run the fast tests and the repository's own checks
	@tools/run_tests.py build/release

test-serve: build ## octile-serve driven by tritonclient: bits, 200 clients, fuzz, a drain
	@tools/test_extra.sh serve

test-clock: build ## The tests of what measures, with a clock that jumps: none hangs on this machine's speed
	@tools/check_clock.sh build/release

test-all: test ## Fast tests, a clock that jumps, serving, Ray, lint, sanitizers, install check, report in a browser, oneDNN 3.x headers, sm_61, reproduce
	@tools/install_dependencies.sh lint
	@$(MAKE) --no-print-directory test-clock test-serve test-ray lint asan tsan check-install check-report
	@tools/check_onednn3.sh
	@tools/check_sm61.py
	@$(MAKE) --no-print-directory reproduce

conformance: deps ## ONNX's published node tests (libonnx-testdata), float engine and interpreter
	@mkdir -p build && $(MAKE) --no-print-directory build/release/build.ninja
	@cmake --build build/release -j $(JOBS) --target octile_onnx_nodes
	@build/release/tests/octile_onnx_nodes

fuzz: deps ## Fuzz the ONNX importer for FUZZ_SECONDS (60): libFuzzer with Clang, else our driver
	@SECONDS_TO_RUN=$(FUZZ_SECONDS) JOBS=$(JOBS) tools/fuzz.sh

asan: deps ## The fast tests under the address and undefined-behaviour sanitizers
	@mkdir -p build && $(MAKE) --no-print-directory build/asan/build.ninja
	@cmake --build build/asan -j $(JOBS)
	@tools/run_tests.py build/asan

tsan: deps ## The fast tests under the thread sanitizer
	@mkdir -p build && $(MAKE) --no-print-directory build/tsan/build.ninja
	@cmake --build build/tsan -j $(JOBS)
	@tools/run_tests.py build/tsan

check-report: deps ## The precision report's page in a headless Chromium: build/report-screenshots (PAGES="real.html …")
	@tools/install_dependencies.sh browser || echo "Chromium was not installed"
	@mkdir -p build && $(MAKE) --no-print-directory build/release/build.ninja
	@cmake --build build/release -j $(JOBS) --target octile_write_page
	@tools/check_report.py build/release $(PAGES)

test-arm: deps ## The runtime cross-built for 64-bit ARM: conformance and plans under qemu
	@mkdir -p build && $(MAKE) --no-print-directory build/release/build.ninja
	@JOBS=$(JOBS) tools/test_arm.sh

RAY_PYTHON = RAY_USAGE_STATS_ENABLED=0 PYTHONPATH=$(CURDIR)/build/release/python build/ray-venv/bin/python3

test-ray: build ## octile.ray on clusters of several nodes on this machine, some of them killed (5 minutes)
	@tools/test_extra.sh ray

check-sm61: ## The dp4a kernels by NVRTC 12 (PyPI) for compute capability 6.1; needs no GPU
	@tools/check_sm61.py

test-gpu: deps ## On a machine with a GPU: kernels, conformance, models against the CPU (SANITIZE=1, DATA=dir)
	@mkdir -p build && $(MAKE) --no-print-directory build/release/build.ninja with-cuda
	@cmake --build build/release -j $(JOBS)
	@SANITIZE=$(SANITIZE) DATA="$(DATA)" tools/test_gpu.sh

lint: python-venv ## clang-format, clang-tidy, include rule; ruff for Python
	@tools/install_dependencies.sh lint
	@mkdir -p build && $(MAKE) --no-print-directory build/release/build.ninja
	@tools/lint.sh

format: python-venv ## Rewrite the sources with clang-format and ruff
	@git ls-files '*.h' '*.cc' '*.js' | xargs clang-format -i
	@build/python-venv/bin/ruff format -q python examples benchmarks/peers benchmarks/gpu benchmarks/precision benchmarks/scale benchmarks/serve
	@build/python-venv/bin/ruff check -q --fix-only python examples benchmarks/peers benchmarks/gpu benchmarks/precision benchmarks/scale benchmarks/serve

reproduce: build ## Calibrate on 500 digits and print the TensorRT cache (input: 3c008912)
	@DATA="$(DATA)" tools/reproduce.sh

build/bench-venv/bin/python3:
	@tools/install_dependencies.sh bench
	@echo "NumPy for the benchmarks goes to build/bench-venv"
	@python3 -m venv build/bench-venv && build/bench-venv/bin/pip install -q numpy

bench-calibration: build build/bench-venv/bin/python3 ## Histograms and threshold search beside NumPy, in turns
	@cmake --preset release -DOCTILE_BENCHMARKS=ON >build/release.configure.log
	@cmake --build build/release -j $(JOBS) --target octile_bench_calibration
	@build/bench-venv/bin/python3 benchmarks/calibration/compare.py build/release/benchmarks/calibration/octile_bench_calibration

bench-layers: build ## Single layers: tactics beside oneDNN, held to the CPU's peaks: build/bench/layers.json
	@mkdir -p build/bench && cmake --preset release -DOCTILE_BENCHMARKS=ON >build/release.configure.log
	@cmake --build build/release -j $(JOBS) --target octile_bench_layers
	@build/release/benchmarks/layers/octile_bench_layers --threads $(JOBS) --json build/bench/layers.json

# Of build/python-venv's Python: the module in build/release is compiled for it. pnnx writes ncnn's files
# by a program of its own; the PyTorch that its wheel asks for is not needed.
build/bench-cpu-venv/installed: benchmarks/peers/requirements.txt
	@echo "ONNX Runtime, OpenVINO, NNCF and ncnn go to build/bench-cpu-venv"
	@build/python-venv/bin/python3 -m venv build/bench-cpu-venv
	@build/bench-cpu-venv/bin/pip install -q -r benchmarks/peers/requirements.txt
	@build/bench-cpu-venv/bin/pip install -q --no-deps pnnx==20261020 && touch $@

bench-cpu: build ## Octile and its peers on this CPU, in turns: build/bench/cpu.json (ARGS="--quick …")
	@$(MAKE) --no-print-directory build/bench-cpu-venv/installed
	@cmake --preset release -DOCTILE_BENCHMARKS=ON >build/release.configure.log
	@cmake --build build/release -j $(JOBS) --target octile_bench_layers
	@PYTHONPATH=$(CURDIR)/build/release/python build/bench-cpu-venv/bin/python3 benchmarks/peers/peers.py $(ARGS)

# PYTHON has PyTorch for this GPU. CUDA_FLAGS=-DOCTILE_CUDA_ARCHITECTURES=90a compiles for one chip alone.
PYTHON ?= python3
bench-gpu: ## Octile, PyTorch, cuBLASLt, cuDNN on this GPU, in turns: build/bench/gpu.json (ARGS="--quick …", PYTHON)
	@JOBS=$(JOBS) PYTHON="$(PYTHON)" CMAKE_FLAGS="$(CUDA_FLAGS)" tools/bench_gpu.sh $(ARGS)

build/accuracy-venv/installed: benchmarks/accuracy/requirements.txt
	@tools/install_dependencies.sh bench
	@echo "ONNX Runtime, OpenVINO and NNCF go to build/accuracy-venv"
	@python3 -m venv build/accuracy-venv
	@build/accuracy-venv/bin/pip install -q -r benchmarks/accuracy/requirements.txt && touch $@

build/precision-venv/installed: benchmarks/precision/requirements.txt
	@tools/install_dependencies.sh bench
	@echo "NumPy, Pillow, onnx and Matplotlib go to build/precision-venv"
	@python3 -m venv build/precision-venv
	@build/precision-venv/bin/pip install -q -r benchmarks/precision/requirements.txt && touch $@

bench-precision: build build/precision-venv/installed ## Float, all-INT8 and chosen engine on real models, in turns: build/bench/precision.json (MODELS, ARGS, DOCS=1)
	@build/precision-venv/bin/python3 benchmarks/precision/precision.py build/release/octile $(if $(DOCS),--docs docs/performance.md) $(ARGS)

bench-serve: build ## Octile INT8, float and ONNX Runtime INT8 behind one KServe server: build/bench/serve.json (MODELS, ARGS, DOCS=1)
	@tools/extra_venv.sh serve
	@PYTHONPATH=$(CURDIR)/build/release/python build/serve-venv/bin/python3 benchmarks/serve/serve.py $(if $(DOCS),--docs docs/serving.md) $(ARGS)

sweep-int8: build build/precision-venv/installed ## When does INT8 pay? Single convolutions, and a network that stays float (ARGS=--quick, --huge; DOCS=1 writes the page)
	@build/precision-venv/bin/python3 benchmarks/precision/sweep.py build/release/octile $(if $(DOCS),--docs docs/when-int8-pays.md) $(ARGS)

bench-levels: build build/precision-venv/installed ## Levels of a byte that each scheme uses on real models (DOCS=1 writes the page)
	@build/precision-venv/bin/python3 benchmarks/precision/levels.py build/release/octile $(if $(DOCS),--docs docs/when-int8-pays.md) $(ARGS)

bench-scale: build ## Calibration on Ray: images/s with one process, one and two workers: build/bench/scale.json (DOCS=1 writes the page)
	@tools/extra_venv.sh ray
	@$(RAY_PYTHON) benchmarks/scale/scale.py $(if $(DOCS),--docs docs/scale.md) $(ARGS)

accuracy: build build/accuracy-venv/installed ## INT8 accuracy on real models beside ONNX Runtime and NNCF (MODELS=DIR)
	@build/accuracy-venv/bin/python3 benchmarks/accuracy/accuracy.py build/release/octile

check-install: deps ## Install to a temporary prefix and build a consumer against the package
	@tools/check_install.sh

install: build ## Install program, libraries, headers, CMake package (PREFIX, DESTDIR)
	@cmake --install build/release --prefix $(PREFIX)
	@build/release/octile completion bash > build/octile.bash
	@install -D -m 644 build/octile.bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/octile
	@(cat build/release/install_manifest.txt; echo; \
	  echo "$(PREFIX)/share/bash-completion/completions/octile") > build/installed.txt

uninstall: ## Remove what the last `make install` put there (give the same DESTDIR)
	@[ -f build/installed.txt ] || { echo "nothing to remove: build/installed.txt is missing"; exit 1; }
	@while read -r file || [ -n "$$file" ]; do [ -z "$$file" ] || rm -fv "$(DESTDIR)$$file"; \
	  done < build/installed.txt; rm build/installed.txt

clean: ## Remove build/
	rm -rf build
