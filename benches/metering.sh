#!/usr/bin/env bash
# What charging costs: the same load on a relay as it is and on one built with the feature `unmetered`, round
# by round in turn. That relay exists in plico-load alone; the program plico-relay does not compile so.
#
# benches/metering.sh [arguments of plico-load metering]
set -euo pipefail
cd "$(dirname "$0")/.."
cargo build --release --locked -p plico-benches --features unmetered
cp target/release/plico-load target/release/plico-load-unmetered
cargo build --release --locked -p plico-benches
exec target/release/plico-load metering --program target/release/plico-load \
    --program target/release/plico-load-unmetered "$@"
