#!/usr/bin/env bash
#
# Clusters of counters that are driven by scripts (test/e2e/counter), over TCP,
# UDP and ZeroMQ: real processes, killed, stopped, kept apart. Several at a
# time, as most of it is waiting.
#
#   cluster.sh [PATTERN]     only the runs that hold PATTERN
#   SOAK=1 cluster.sh        also those that take long

set -uo pipefail
cd "$(dirname "$0")/../.."

bin=$PWD/${BUILD:-build}
[[ ${BUILD:-build} = /* ]] && bin=$BUILD
scripts=test/e2e/counter
place=$(mktemp -d)
unset "${!CRDT_COUNTER_@}"
export CRDT_COUNTER_ALONE=1 CRDT_COUNTER_HISTORY= TMPDIR=$place
trap 'rm -rf "$place"' EXIT
trap 'exit 130' INT TERM

JOBS=10 # most of it is waiting for leases
transports='tcp udp'
# Of libzmq ThreadSanitizer tells what is not so.
[[ $bin != */tsan ]] && pkg-config --exists libzmq && transports+=' zmq'

# >> runs ---------------------------------------------------------------------
# A line each: TRANSPORT|MORE OPTIONS|SCRIPT|ARGUMENT|ARGUMENT

runs() {
    local transport step who
    for transport in $transports; do
        for name in work epoch timer join part tell mismatch anew tie; do
            echo "$transport||$name||"
        done
        for step in sync answered ready committed work; do
            for who in ana ben; do
                echo "$transport||crash|$step|$who"
            done
        done
        echo "$transport||modes|--codec=binary|"
        echo "$transport||modes|--codec=json|"
        echo "$transport|--key $place/key|modes|--codec=json|"
        echo "$transport||soak||"
        echo "$transport||large|$place/operations|"
        echo "$transport|--codec json|epoch||"
        echo "$transport|--key $place/key|work||"
    done
    echo "udp||loss|30|"
    for who in ${SOAK:+1 2 3 4 5 6 7 8}; do
        echo "udp||loss|30|$who"
    done
}

# run LINE: its output goes to a file when it fails.
run() {
    local transport options name one two
    IFS='|' read -r transport options name one two <<<"$1"
    if [[ $name == soak ]]; then
        set -- "$@" "$bin/counter-soak" --transport "$transport" --peers 8 \
            --seconds 2 --every 0.2 --count 200
    else
        set -- "$@" "$bin/cluster" --quiet --options \
            "--transport $transport $options" "$scripts/$name.cluster" \
            "$one" "$two"
    fi
    "${@:3}" >"$place/$2.log" 2>&1 && rm "$place/$2.log"
    [[ ! -e $place/$2.log ]] || mv "$place/$2.log" "$place/$2.failed"
}

for ((i = 1; i <= 1000; i++)); do
    printf 'create v%d\n+%d v%d\n' $i $i $i
done >"$place/operations"
head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n' >"$place/key"

mapfile -t lines < <(runs | grep -F -- "${1:-}")
for i in "${!lines[@]}"; do
    while (($(jobs -rp | wc -l) >= JOBS)); do wait -n; done
    run "${lines[i]}" "$i" &
done
wait

failed=0
for i in "${!lines[@]}"; do
    if [[ -e $place/$i.failed ]]; then
        failed=$((failed + 1))
        echo "FAIL ${lines[i]}"
        tail -n 4 "$place/$i.failed" | cut -c -600 | sed 's/^/    /'
    fi
done
echo "$((${#lines[@]} - failed)) passed, $failed failed"
((failed == 0))
