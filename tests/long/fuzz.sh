#!/usr/bin/env bash
# Fuzzes every target, or those that are named, for so many minutes each (30), two at a time, and prints a
# report. `fuzz.md` beside this file has the last one.
#     tests/long/fuzz.sh [MINUTES] [TARGET…]
set -euo pipefail
cd "$(dirname "$0")/../.."
minutes=${1:-30}
shift || true
printf '%s, commit %s, %s minutes for each target, on %s with %s threads\n\n' "$(date -u +%F)" \
    "$(git rev-parse --short HEAD)" "$minutes" "$(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -1)" "$(nproc)"
tests/fuzz/run $((minutes * 60)) "$@"
