#!/usr/bin/env bash
#
# The terminal session of docs/counter.md, done again: what each terminal says
# is what the page shows, but for addresses, ids, bytes and times.
#
#     $ build/counter --name ana ...   starts a terminal
#     ana> create apples               is typed there
#     apples = 0                       has to come, in any order with its like
#                                      until something is typed there again
#     ^C                               in the terminal of this block
#
# The session is all blocks behind "<!-- session -->", up to "<!-- end -->".

set -uo pipefail
cd "$(dirname "$0")/../.."

bin=$PWD/${BUILD:-build}
[[ ${BUILD:-build} = /* ]] && bin=$BUILD
place=$(mktemp -d)
unset "${!CRDT_COUNTER_@}"
export XDG_DATA_HOME=$place CRDT_COUNTER_HISTORY= NO_COLOR=1
declare -A pid input port read
trap 'end_all; rm -rf "$place"' EXIT
trap 'exit 130' INT TERM

end_all() {
    local name
    for name in "${!pid[@]}"; do
        { kill -9 "${pid[$name]}"; wait "${pid[$name]}"; } 2>/dev/null || true
    done
}

# >> terminals ----------------------------------------------------------------

# One name for all that differs from run to run.
plain() {
    sed -E 's/127\.0\.0\.1:[0-9]+/ADDRESS/g; s/[0-9a-f]{32}/ID/g
            s/[0-9.]+ (B|kB|MB)\b/SIZE/g; s/[0-9.]+ ms/TIME/g; s/[0-9]+ (sent|joined)/N \1/g
            s/after [0-9.]+ s/TIME/; s/ +/ /g; s/ $//'
}

start() { # NAME COMMAND
    local name=$1 command=$2 page_port fd
    if [[ $command =~ --listen\ 127\.0\.0\.1:([0-9]+) ]]; then
        page_port=${BASH_REMATCH[1]}
        command=${command/--listen 127.0.0.1:$page_port/--listen 127.0.0.1:0}
    fi
    for known in "${!port[@]}"; do
        command=${command//:$known/:${port[$known]}}
    done
    command=${command#build/}
    rm -f "$place/$name.in"
    mkfifo "$place/$name.in"
    exec {fd}<>"$place/$name.in"
    input[$name]=$fd read[$name]=0
    : >"$place/$name.out"
    # shellcheck disable=SC2086
    (for fd in "${input[@]}"; do exec {fd}>&-; done
     exec "$bin/"$command <"$place/$name.in" >"$place/$name.out" 2>&1) &
    pid[$name]=$!
    [[ -n ${page_port:-} ]] || return 0
    port[$page_port]=$(for i in {1..1000}; do
        sed -nE 's/.* listens on 127.0.0.1:([0-9]+);.*/\1/p' "$place/$name.out" |
            grep . && break
        sleep 0.01
    done)
}

# As many lines as the page has since the last prompt, and the same ones.
expect() { # NAME
    local name=$1 count i
    count=$(wc -l <"$place/expected")
    ((count)) || return 0
    for ((i = 0; i < 1500; i++)); do
        (($(wc -l <"$place/$name.out") >= read[$name] + count)) && break
        sleep 0.01
    done
    tail -n +$((read[$name] + 1)) "$place/$name.out" | head -n "$count" |
        plain | sort >"$place/said"
    read[$name]=$((read[$name] + count))
    if ! diff <(plain <"$place/expected" | sort) "$place/said" >"$place/diff"; then
        echo "FAIL line $number of docs/counter.md, the terminal of $name:"
        cat "$place/diff"
        failed=$((failed + 1))
    else
        passed=$((passed + 1))
    fi
    : >"$place/expected"
}

# >> the page -----------------------------------------------------------------

passed=0 failed=0 number=0 name='' inside='' session=''
: >"$place/expected"
while IFS= read -r line; do
    number=$((number + 1))
    case $line in
    '<!-- session -->') session=1 ;;
    '<!-- end -->') session='' ;;
    '```'*)
        [[ -n $name ]] && expect "$name"
        inside=${session:+$([[ -n $inside ]] || echo 1)}
        ;;
    *)
        [[ -n $inside ]] || continue
        if [[ $line == '$ build/counter '* ]]; then
            [[ -n $name ]] && expect "$name"
            name=$(sed -E 's/.*--name ([a-z]+).*/\1/' <<<"$line")
            start "$name" "${line#\$ }"
        elif [[ $line =~ ^([a-z]+)\>\ (.*) ]]; then
            [[ -n $name ]] && expect "$name"
            name=${BASH_REMATCH[1]}
            echo "${BASH_REMATCH[2]}" >&"${input[$name]}"
        elif [[ $line == '^C' ]]; then
            expect "$name"
            kill -INT "${pid[$name]}"
        else
            echo "$line" >>"$place/expected"
        fi
        ;;
    esac
    ((failed)) && break
done <docs/counter.md

echo "$passed passed, $failed failed"
((failed == 0 && passed > 0))
