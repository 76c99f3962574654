#!/bin/bash
# SPDX-License-Identifier: MIT
# Runs one pytest node again and again while every core is busy, until it fails. usage: flaky.sh NODE-ID TIMES
set -uo pipefail

node=$1
times=$2
[ -n "$node" ] || { echo "usage: make flaky TEST=test/net/test_x.py::test_y N=100" >&2; exit 2; }

busy=()
for _ in $(seq "$(nproc)"); do
    sh -c 'while :; do :; done' &
    busy+=($!)
done
trap 'kill "${busy[@]}" 2>/dev/null' EXIT

log=$(mktemp)
for n in $(seq "$times"); do
    if ! PYTHONDONTWRITEBYTECODE=1 "$PYTHON" -m pytest -q -p no:cacheprovider "$node" >"$log" 2>&1; then
        cat "$log"
        echo "flaky: $node failed in run $n of $times; the log is $log"
        exit 1
    fi
    printf '\rflaky: %d of %d' "$n" "$times"
done
rm -f "$log"
printf '\nflaky: %s passed %d times under load\n' "$node" "$times"
