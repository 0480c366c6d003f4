#!/usr/bin/env bash
#
# docs/limits.md names every limit of src/limits.h with its value, and tests
# that there are.

set -euo pipefail
cd "$(dirname "$0")/../.."
passed=0 failed=0

check() { # WHAT GREP-ARGUMENTS...
    if grep -q "${@:2}"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAIL $1"
    fi
}

while read -r _ name value; do
    value=${value%u}
    [ "$value" = '((uint64_t)1 << 62)' ] && value='2^62'
    check "$name $value" -F "| \`$name\` | $value |" docs/limits.md
done < <(grep '^#define CRDTSYNC_' src/limits.h)

while read -r file test; do
    check "$file $test" "^TEST($test)" "test/$file.c"
done < <(sed -n 's/^|.*| `\([a-z_/]*\)` `\([a-z0-9_]*\)` |$/\1 \2/p' docs/limits.md)

while read -r name; do
    check "$name" "^#define $name " src/limits.h
done < <(grep -o '^| `[A-Z_]*`' docs/limits.md | tr -d '|` ')

echo "$passed passed, $failed failed, 0 skipped"
[ "$failed" = 0 ] && [ "$passed" -gt 60 ]
