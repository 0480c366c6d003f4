#!/usr/bin/env bash
#
# docs/add-a-type.md works as it stands: its blocks, applied to a copy of the
# sources, make a header with the new type, its test passes, and the laws hold
# for it and find the bugs that are planted in it.

set -euo pipefail
cd "$(dirname "$0")/../.."

guide=docs/add-a-type.md
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
passed=0 failed=0 blocks=0

verdict() { # STATUS NAME
    if (($1 == 0)); then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAIL $2"
    fi
}

# change FILE < a diff without line numbers: the lines that it shows must stand
# together in exactly one place.
change() {
    local line old=$'\n' new=$'\n' text rest
    while IFS= read -r line; do
        [[ $line == +* ]] || old+=${line:1}$'\n'
        [[ $line == -* ]] || new+=${line:1}$'\n'
    done
    text=$'\n'$(<"$1")$'\n'
    rest=${text#*"$old"}
    [[ $rest != "$text" ]] ||
        { echo "    these lines are not in $1:$old"; return 1; }
    [[ $rest == "${rest#*"$old"}" ]] ||
        { echo "    these lines are in $1 twice:$old"; return 1; }
    text=${text%%"$old"*}$new$rest
    printf '%s' "${text:1}" >"$1"
}

# The blocks of the guide, in order; other fences have no file in their head.
apply() {
    local line file='' kind='' text=''
    while IFS= read -r line; do
        if [[ -n $file && $line == '```' ]]; then
            blocks=$((blocks + 1))
            if [[ $kind == diff ]]; then
                change "$place/$file" <<<"${text%$'\n'}" || return 1
            else
                printf '%s' "$text" >"$place/$file"
            fi
            file=''
        elif [[ -n $file ]]; then
            text+=$line$'\n'
        elif [[ $line =~ ^'```'(c|diff)' '(.+)$ ]]; then
            kind=${BASH_REMATCH[1]} file=${BASH_REMATCH[2]} text=''
        fi
    done <"$guide"
}

build_header() {
    ${CC:-cc} -std=c99 -o "$place/amalgamate" tools/amalgamate.c &&
        "$place/amalgamate" "$place/src/crdtsync.in.h" \
            -o "$place/crdtsync.h"
}

# As warnings of a stranger's code: they count.
runs() { # SOURCE
    (cd "$place" && ${CC:-cc} -std=c99 -Wall -Wextra -Wpedantic \
        -Wswitch-enum -Wmissing-prototypes -Werror -Og -I. -o program "$1" &&
        ./program)
}

finds_planted_bugs() {
    runs test/laws/planted.c >"$place/planted" &&
        (($(grep -c '^first ' "$place/planted") == 3)) || {
        cat "$place/planted"
        return 1
    }
}

mkdir -p "$place/test"
cp -r src "$place"
cp -r test/unit test/laws test/test.h "$place/test"

status=0; apply || status=1
verdict $status 'its blocks can be applied'
status=0; build_header || status=1
verdict $status 'there is a header with the type'
status=0; runs test/unit/first.c || status=1
verdict $status 'its test passes'
status=0; CRDT_SEEDS=2000 runs test/laws/histories.c || status=1
verdict $status 'the laws hold'
status=0; finds_planted_bugs || status=1
verdict $status 'bugs planted in it are found'
status=0; ((blocks >= 7)) || status=1
verdict $status 'there are blocks'

echo "$passed passed, $failed failed"
((failed == 0))
