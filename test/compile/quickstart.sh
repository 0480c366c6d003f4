#!/usr/bin/env bash
#
# What a newcomer does first works with a C compiler and nothing else: the
# program in README.md as it stands, and two of demo/. And every C block of
# every page compiles and runs, and prints what the page says below "It
# prints".

set -euo pipefail
cd "$(dirname "$0")/../.."

place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
passed=0 failed=0 skipped=0

verdict() { # STATUS NAME
    if (($1 == 0)); then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAIL $2"
    fi
}

# Blocks are many: clang takes a third of the time, where it is.
cc=${CC:-cc}
fast=$(tools/which clang)
: "${fast:=$cc}"

# runs SOURCE FLAGS...
runs() {
    "$cc" -I. -o "$place/program" "$@" && (cd "$place" && ./program)
}

compiles_and_runs() { # NAME SOURCE
    local status=0
    runs "$2" || status=1
    verdict $status "$1"
}

# The transport of the demo is that short, but for comments and lone braces.
transport_takes() { # LINES SOURCE
    local lines status=0
    lines=$(sed '1,/>>the transport/d; />>its use/,$d' "$2" |
        grep -vcE '^ *(/\*.*\*/)?$|^ *[{}];?$')
    ((lines > 30 && lines <= $1)) || status=1
    verdict $status "the transport in $2 takes $lines lines, not $1"
}

# Writes the C blocks of a page to PLACE/block.1.c and so on.
blocks_of() { # PAGE
    rm -f "$place"/block.*
    awk -v to="$place/block." '
        /^```c$/ { file = to (++n) ".c"; next }
        /^```/ { file = "" }
        file { print >file }' "$1"
}

# What is no program goes into one that has a document.
program_of() { # BLOCK
    awk '/^#/ { heads = heads $0 "\n"; next }
         { body = body $0 "\n" }
         END { printf "%s", heads
               if (body ~ /int main\(/) printf "%s", body
               else print "#include <stdio.h>\nint main(void)\n{\n" \
                    "crdt_doc *doc;\nif (crdt_doc_new(&doc, NULL))\n" \
                    "return 1;\n" body "return 0;\n}" }' "$1"
}

# The first block behind "It prints".
output_in() { # PAGE
    awk '/^It prints$/ { behind = 1 }
         /^```/ && behind { if (inside++) exit; next }
         inside' "$1"
}

cjson=()
if pkg-config --exists libcjson; then
    read -ra cjson <<<"$(pkg-config --cflags --libs libcjson)"
fi

# Adapters are compiled together with the core, all else is linked with it.
block_runs() { # PAGE BLOCK
    local name="$1, ${2##*/}" status=0 with=("$place/core.o")
    program_of "$2" >"$place/page.c"
    if grep -q '"crdtsync_' "$2"; then
        with=(-Itransports -Istores -Icodecs "${cjson[@]}")
    else
        sed -i '/define CRDTSYNC_IMPLEMENTATION/d' "$place/page.c"
    fi
    if grep -q 'crdtsync_json\|crdtsync_readable' "$2" && ((!${#cjson[@]}))
    then
        echo "skipped $name: there is no libcjson"
        skipped=$((skipped + 1))
        return
    fi
    runs "$place/page.c" "${with[@]}" >"$place/said" || status=1
    verdict $status "$name"
    [[ $2 == *.1.c ]] && grep -q '^It prints$' "$1" || return 0
    diff "$place/said" <(output_in "$1") || status=1
    verdict $status "what $name prints"
}

awk '/^```c$/ { inside = 1; next } /^```/ { if (inside) exit } inside' \
    README.md >"$place/readme.c"
compiles_and_runs 'the program in README.md' "$place/readme.c"
compiles_and_runs 'demo/hello.c' demo/hello.c
compiles_and_runs 'demo/pipe.c' demo/pipe.c
transport_takes 40 demo/pipe.c

cc=$fast
"$cc" -std=c99 -I. -c -o "$place/core.o" test/compile/core.c
for page in docs/*.md; do
    blocks_of "$page"
    for block in "$place"/block.*.c; do
        [[ ! -e $block ]] || block_runs "$page" "$block"
    done
done

((skipped)) && more=", $skipped skipped" || more=
echo "$passed passed, $failed failed$more"
((failed == 0))
