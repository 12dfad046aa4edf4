#!/usr/bin/env bash
# Installs the Debian 12 packages that building, testing and the quickstart need. Does nothing when all are there.
set -euo pipefail
packages=(
    g++ cmake ninja-build ccache mold pkg-config git
    libboost1.81-dev libboost-json1.81-dev libboost-container1.81-dev libboost-filesystem1.81-dev
    libpoco-dev libhwloc-dev libmnl-dev libcli11-dev prometheus-cpp-dev libxxhash-dev libsqlite3-dev libssl-dev zlib1g-dev libncurses-dev
    libjemalloc-dev
    libpci-dev pciutils pci.ids libseccomp-dev bubblewrap libcurl4-openssl-dev
    libnghttp2-dev libprotobuf-dev protobuf-compiler
    libgtest-dev libbenchmark-dev
    rustc cargo
    curl python3 jq procps openssl util-linux iproute2 ethtool systemd libcap2-bin numactl usbutils
    python3-grpcio python3-protobuf protobuf-compiler-grpc python3-websockets python3-autobahn python3-pyte nodejs node-ws
    haproxy nginx libnginx-mod-stream nghttp2-client prometheus chromium
)
case "${1:-}" in
    --bench) packages+=(gearman-job-server libgearman-dev beanstalkd libgrpc++-dev) ;;
    --fuzz) packages+=(clang libclang-rt-14-dev) ;;
    --tidy) packages+=(clang-tidy clang-format) ;;
    --packages) packages+=(mmdebstrap lintian zsh podman) ;;
    --help) echo "usage: etc/install-deps.sh [--bench|--fuzz|--tidy|--packages]   extra packages for that purpose"; exit 0 ;;
    "") ;;
    *) echo "etc/install-deps.sh: unknown option '$1' (try --help)" >&2; exit 2 ;;
esac
# Some packages of nodejs bring npm along.
command -v npm >/dev/null || packages+=(npm)
missing=()
for p in "${packages[@]}"; do
    dpkg-query -W -f '${Status}' "$p" 2>/dev/null | grep -q 'ok installed' || missing+=("$p")
done
[ ${#missing[@]} -eq 0 ] && exit 0
echo "installing: ${missing[*]}"
sudo=""
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || { echo "etc/install-deps.sh: needs root or sudo to install: ${missing[*]}" >&2; exit 1; }
    sudo=sudo
fi
# Packages that are services (haproxy, nginx, prometheus, beanstalkd) are not started, now or at the next boot: the tests run instances
# of their own.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    trap '$sudo rm -f "$policy"' EXIT
    printf '#!/bin/sh\nexit 101\n' | $sudo tee "$policy" >/dev/null
    $sudo chmod 755 "$policy"
fi
$sudo apt-get update -qq
DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
for service in haproxy nginx prometheus beanstalkd gearman-job-server; do
    case " ${missing[*]} " in
        *" $service "*) command -v systemctl >/dev/null && $sudo systemctl disable --quiet "$service" || true ;;
    esac
done
