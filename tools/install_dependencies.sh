#!/usr/bin/env bash
# Installs what Octile builds and runs on, by package name, and only what is missing. Debian 12 and
# Ubuntu 24.04. Without root and sudo it names the missing packages in one apt line and exits with 1.
#
#   tools/install_dependencies.sh [demo|python|seed|bench|lint|fuzz|browser|arm …]   extra groups of packages
set -euo pipefail

packages=(build-essential cmake ninja-build pkg-config
  libdnnl-dev libonnx-dev libprotobuf-dev protobuf-compiler
  libflatbuffers-dev flatbuffers-compiler
  libxbyak-dev libzip-dev zlib1g-dev libstb-dev libfmt-dev libcli11-dev nlohmann-json3-dev
  libboost-dev libgtest-dev libgmock-dev libonnx-testdata python3)
for group in "$@"; do
  case $group in
    demo) packages+=(dataset-fashion-mnist) ;;
    python) packages+=(python3-venv python3-dev) ;;
    seed) packages+=(python3-torch python3-opencv) ;;  # too large to come unasked
    bench) packages+=(python3-venv) ;;
    lint) packages+=(clang-format-14 clang-tidy-14 python3-pip) ;;
    fuzz) packages+=(clang-14 libclang-rt-14-dev) ;;
    browser) packages+=(chromium) ;;
    arm) packages+=(g++-aarch64-linux-gnu qemu-user googletest) ;;
    *) echo "unknown group '$group': use demo, python, seed, bench, lint, fuzz, browser or arm" >&2; exit 2 ;;
  esac
done

if ! command -v dpkg-query >/dev/null; then
  echo "This is no Debian or Ubuntu: install the counterparts of: ${packages[*]}" >&2
  exit 1
fi
missing=()
for package in "${packages[@]}"; do
  state=$(dpkg-query -W -f '${db:Status-Abbrev}' "$package" 2>/dev/null || true)
  [[ $state == ii* ]] || missing+=("$package")
done
# Tools that came by other ways than packages serve as well.
have() { command -v "$1" >/dev/null; }
has_venv() { "$1" -m venv --help >/dev/null 2>&1 && "$1" -m ensurepip --version >/dev/null 2>&1; }
keep=()
for package in ${missing[@]+"${missing[@]}"}; do
  case $package in
    python3) have python3 ;;
    python3-venv) has_venv python3 && { [ ! -x /usr/bin/python3 ] || has_venv /usr/bin/python3; } ;;
    python3-pip) python3 -m pip --version >/dev/null 2>&1 ;;
    clang-format-14) have clang-format ;;
    clang-tidy-14) have clang-tidy ;;
    chromium) have chromium || have chromium-browser || have google-chrome ;;
    *) false ;;
  esac || keep+=("$package")
done
if [ ${#keep[@]} -eq 0 ]; then
  exit 0
fi

echo "missing packages: ${keep[*]}"
line="apt-get install -y --no-install-recommends ${keep[*]}"
if [ "$(id -u)" -eq 0 ]; then
  sudo=()
elif have sudo && { [ -t 0 ] || sudo -n true 2>/dev/null; }; then
  sudo=(sudo env DEBIAN_FRONTEND=noninteractive)
else
  echo "Neither root nor sudo: ask your administrator for" >&2
  echo "  $line" >&2
  exit 1
fi
echo "installing them with apt-get"
export DEBIAN_FRONTEND=noninteractive
"${sudo[@]}" apt-get update -qq
"${sudo[@]}" $line
