#!/usr/bin/env bash
#
# What is made of measurements: tables beside other engines, which name first
# what is ahead of us, and comparisons, which name what got worse. Of made-up
# numbers; nothing is measured.

set -euo pipefail
cd "$(dirname "$0")/../.."

place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
passed=0 failed=0

has() { # FILE WORDS
    if grep -qF "$2" "$1"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        sed 's/^/    /' "$1"
        echo "FAIL it does not say: $2"
    fi
}

printf '%s\n' 'ours 0.1.0' 'yrs 1.2.3' 'absent 4' >"$place/versions"
line() { # ENGINE ROUND NAME VALUE UNIT
    printf '{"engine":"%s","round":%d,"name":"%s","value":%s,"unit":"%s"}\n' "$@"
}
{
    line ours 1 text.open/essay 2 ms/op
    line yrs 1 text.open/essay 1 ms/op
    line yrs 2 text.open/essay 9 ms/op
    line yrs 3 text.open/essay 1 ms/op
    line ours 1 text.size_saved/essay 1000 B
    line yrs 1 text.size_full/essay 3000 B
    line ours 1 map.fill/100k 100 ns/op
    line yrs 1 map.fill/100k 250 ns/op
    line yrs 1 text.as_recorded/essay 0 x
} >"$place/results.jsonl"
bench/peers/report "$place" >"$place/said" 2>/dev/null
has "$place/said" '| open, ready to edit | `essay` | yrs | 1.00 ms | 2.00 ms | 0.50 of ours |'
has "$place/said" '| map: a new key, its commit | 100 ns | 250 ns (2.50) |'
has "$place/said" '| saved, all history | - | 3000 B (3.00) |'
has "$place/said" 'another text: yrs (`essay`)'
has "$place/said" 'ours 0.1.0, yrs 1.2.3.'
has "$place/peers.json" '{"engine":"yrs","name":"text.open/essay","value":1,"unit":"ms/op","rounds":3}'

timed() { # NAME VALUE MIN MAX
    printf '{"name":"%s","value":%s,"unit":"ns/op","min":%s,"max":%s}\n' "$@"
}
{ timed slow 10 9 11; timed noisy 10 9 19; timed fast 10 9 11; } >"$place/old"
{ timed slow 20 19 21; timed noisy 20 18 22; timed fast 5 4 6; } >"$place/new"
tools/bench-compare "$place/old" "$place/new" >"$place/said" &&
    echo 'and it is content' >>"$place/said"
has "$place/said" '3 cases compared, 1 worse'
grep -v noisy "$place/said" | cmp -s - "$place/said" &&
    echo 'noise is no change' >>"$place/said"
has "$place/said" 'noise is no change'
grep -q 'content' "$place/said" || echo 'and it fails' >>"$place/said"
has "$place/said" 'and it fails'

echo "$passed passed, $failed failed"
((failed == 0))
