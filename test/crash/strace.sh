#!/usr/bin/env bash
#
# Kills a process that writes at system calls, by strace: nothing of ours is
# between it and the system. Then all that it said is acknowledged must be
# there. Skipped where there is no strace, or it may not trace.

set -euo pipefail
cd "$(dirname "$0")/../.."
process=${BUILD:-build}/test/crash/process
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT

skip() {
    echo "skipped: $1"
    echo '0 passed, 0 failed, 1 skipped'
    exit 0
}

command -v strace >/dev/null || skip 'there is no strace'
strace -o /dev/null true 2>/dev/null || skip 'strace may not trace'

passed=0 failed=0
for call in pwrite64 fdatasync; do
    for at in 1 2 3 4 5 7 9 12 16 21 30; do
        dir=$place/$call-$at
        { strace -o /dev/null -e "inject=$call:signal=KILL:when=$at" \
            "$process" --work "$dir" 20 >"$place/said"; } 2>/dev/null || true
        acked=$(stat -c %s "$place/said")
        { strace -o /dev/null -e "inject=$call:signal=KILL:when=2" \
            "$process" --work "$dir" 20 >"$place/said"; } 2>/dev/null || true
        if "$process" --check "$dir" "$acked"; then
            passed=$((passed + 1))
        else
            echo "FAIL $call $at: $acked steps were acknowledged"
            failed=$((failed + 1))
        fi
    done
done
# Once all went well: else nothing was killed, or nothing written.
((acked > 0)) || { echo 'FAIL nothing was written'; failed=$((failed + 1)); }
echo "$passed passed, $failed failed"
((failed == 0))
