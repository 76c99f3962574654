#!/bin/bash
# SPDX-License-Identifier: MIT
# Runs the stages of `make test` one after another, all of them even when one fails, and closes with a table of the
# runners' own last lines. Exits 1 when any stage failed; a stage that takes longer than STAGE_SECONDS has.
# usage: stages.sh MAKE LOG-FOLDER STAGE...
set -uo pipefail

make=$1
logs=$2
shift 2
mkdir -p "$logs"
failed=0
table=

# What a stage says of itself: pytest's and cmocka's counts where there are any, else its last line.
closing() {
    local tests plain wanted=.
    plain=$(sed 's/\x1b\[[0-9;]*m//g' "$1")
    [ "$2" = ok ] || wanted='FAILED|failed|[Ee]rror( |:)|differs'
    tests=$(printf '%s\n' "$plain" |
        awk '/^\[  PASSED  \] [0-9]+ test/ { sum += $4 } /^\[  FAILED  \] [0-9]+ test/ { bad += $4 }
             END { if (sum || bad) printf "%d unit tests passed, %d failed; ", sum, bad }')
    printf '%s%s' "$tests" "$(printf '%s\n' "$plain" | grep -v '^make' | grep -E "$wanted" | tail -n 1 | cut -c 1-110)"
}

begun=$SECONDS
for stage in "$@"; do
    printf '== %s\n' "$stage"
    start=$SECONDS
    if timeout -k 10 "${STAGE_SECONDS:-1500}" "$make" "$stage" 2>&1 | tee "$logs/$stage.log"; then
        result=ok
    else
        result=FAILED
        failed=1
    fi
    line=$(printf '%-15s %-6s %4d s  %s' "$stage" "$result" $((SECONDS - start)) "$(closing "$logs/$stage.log" $result)")
    table+=$line$'\n'
    printf '== %s\n' "$line"
done

printf '\n%s' "$table"
printf 'stages: %d, %d min %d s: %s\n' $# $(((SECONDS - begun) / 60)) $(((SECONDS - begun) % 60)) \
    "$([ $failed = 0 ] && echo 'all passed' || echo 'SOME FAILED')"
exit $failed
