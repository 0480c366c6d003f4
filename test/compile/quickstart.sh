#!/usr/bin/env bash
#
# What a newcomer does first works with a C compiler and nothing else: the
# programs that pages show, as they stand, and demo/hello.c. That of
# docs/json.md needs cJSON too.

set -euo pipefail
cd "$(dirname "$0")/../.."

place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
passed=0 failed=0 skipped=0

# compiles_and_runs NAME SOURCE FLAGS...
compiles_and_runs() {
    if [[ ! -s $2 ]]; then
        echo "skipped $1: there is none"
        skipped=$((skipped + 1))
    elif ${CC:-cc} -I. -o "$place/program" "$2" "${@:3}" &&
        "$place/program"; then
        passed=$((passed + 1))
    else
        echo "FAIL $1"
        failed=$((failed + 1))
    fi
}

# The program of the page prints what the page says.
prints() { # PAGE FLAGS...
    program_in "$1" >"$place/page.c"
    compiles_and_runs "the program in $1" "$place/page.c" "${@:2}" \
        >"$place/said"
    if diff "$place/said" <(output_in "$1"); then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAIL what the program in $1 prints"
    fi
}

# The first C block of the page that holds a main.
program_in() { # PAGE
    awk '/^```c$/ { code = ""; inside = 1; next }
         /^```/ { if (inside && code ~ /int main\(/) { printf "%s", code; exit }
                  inside = 0 }
         inside { code = code $0 "\n" }' "$1"
}

# The first block behind "It prints".
output_in() { # PAGE
    awk '/^It prints$/ { behind = 1 }
         /^```/ && behind { if (inside++) exit; next }
         inside' "$1"
}

[[ ! -f README.md ]] || program_in README.md >"$place/readme.c"
compiles_and_runs 'the program in README.md' "$place/readme.c"
compiles_and_runs 'demo/hello.c' demo/hello.c

prints docs/events.md
prints docs/list.md
prints docs/text.md
if pkg-config --exists libcjson; then
    read -ra flags <<<"$(pkg-config --cflags --libs libcjson)"
    prints docs/json.md -Icodecs "${flags[@]}"
else
    echo 'skipped the program in docs/json.md: there is no libcjson'
    skipped=$((skipped + 2))
fi

((skipped)) && more=", $skipped skipped" || more=
echo "$passed passed, $failed failed$more"
((failed == 0))
