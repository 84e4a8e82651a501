#!/usr/bin/env bash
# Instructions that a relay spends on a request over an allowance: callgrind counts two runs that differ
# in nothing but how many are refused. SHA-256 is counted apart: valgrind has none of the processor's
# instructions for it and takes many for one.
#
# benches/refusals.sh            # some minutes
set -euo pipefail
cd "$(dirname "$0")/.."
cargo build --release --locked -p plico-relay -p plico-benches
load=$PWD/target/release/plico-load
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cat > "$place/relay" <<END
#!/bin/sh
exec valgrind --tool=callgrind --callgrind-out-file="\$CALLGRIND_OUT" "$PWD/target/release/plico-relay" "\$@"
END
chmod +x "$place/relay"

# A run's instructions outside SHA-256, and those in it. What gathers entropy at the start is left out:
# it takes most of a short run, and not the same each time.
count() {
    local out="$place/$1.$2"
    CALLGRIND_OUT=$out "$load" abuse --kind "$1" --count "$2" --program "$place/relay" \
        --place "$place" > "$out.said" 2> "$out.log" || { cat "$out.log" >&2; exit 1; }
    callgrind_annotate --threshold=100 "$out" | tr -d , | awk '
        /PROGRAM TOTALS/ { all = $1 }
        /jent_|rol64|uint32rotl|xoshiro128|ptr_to_le|le32_to|le64_to/ { all -= $1 }
        /sha256|sha2::/ { sha += $1 }
        END { printf "%d %d\n", all - sha, sha }'
}

few=${FEW:-1000} many=${MANY:-3000}
echo "| refused | instructions each | and in SHA-256 |"
echo "|---|---|---|"
for kind in ${KINDS:-account account-large inbox open mint bundle}; do
    read -r all sha <<< "$(count "$kind" "$few")"
    read -r more_all more_sha <<< "$(count "$kind" "$many")"
    each=$(( (more_all - all) / (many - few) )) each_sha=$(( (more_sha - sha) / (many - few) ))
    echo "| \`$kind\` | $each | $each_sha |"
done
