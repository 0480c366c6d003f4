#!/usr/bin/env bash
#
# What the counter promises its users (G1 G2 G3 G7 of docs/features.md), each
# with real processes over TCP, UDP and ZeroMQ. The transports are done side by
# side.
#
#   over.sh [PATTERN]     only the tests whose name holds PATTERN

set -uo pipefail
cd "$(dirname "$0")/../.."
. test/e2e/counter/peers.sh

# One that is not driven: it does what comes through the pipe, and ends.
once() { "$counter" --transport "$kind" --peer "$(at ana)" --wait "$@" 2>&1; }

commands_as_they_come() { # G1
    local said status=0
    begin ana --transport "$kind" --listen 127.0.0.1:0
    printf '%s\n' 'create x' '+5 x' '# a remark' '/+2 x' oops '+1 z' \
        >"$place/ops"
    said=$(once --name ben --file "$place/ops" </dev/null) || status=$?
    is "$status" 1
    has "$said" "$place/ops:5: " 'no command "oops"; help lists' \
        "$place/ops:6: " 'there are: x; or type: create z'
    is "$(value ana x)" 7
    said=$(printf '%s\n' wait '/+3 x' 'gte x' '/get x' | once) || true
    has "$said" 'synced with 1 peer' 'did you mean: get NAME' 'x = 10'
    is "$(value ana x)" 10
    said=$(printf '%s\n' wait 'get x' 'get y' '-4 x' | once --json) || true
    json check <<<"$said"
    has "$said" '"value":"10"' '"ok":false,"error":' '"hint":' '"value":"6"'
    is "$(value ana x)" 6
}

settings_from_everywhere() { # G2
    begin ana --transport "$kind" --listen 127.0.0.1:0
    CRDT_COUNTER_TRANSPORT=$kind CRDT_COUNTER_LISTEN=127.0.0.1:0 \
        CRDT_COUNTER_PEER=$(at ana) begin ben
    ask ana 'create x' >/dev/null
    equal ana ben
    # By a file, with the peers as a list, and not the same again by flag.
    cat >"$place/config" <<<"{ \"name\": \"cleo\", \"transport\": \"$kind\",
        \"listen\": \"127.0.0.1:0\", \"json\": true, \"wait\": true,
        \"peer\": [\"$(at ana)\", \"$(at ben)\"] }"
    has "$(printf '%s\n' wait '+2 x' peers |
        "$counter" --config "$place/config")" '"event":"ready","name":"cleo"' \
        '"listen":"127.0.0.1:' '"value":"2"' '"name":"ana"' '"name":"ben"'
    has "$(printf '%s\n' wait '+3 x' | CRDT_COUNTER_CONFIG=$place/config \
        CRDT_COUNTER_TRANSPORT=nonsense CRDT_COUNTER_NAME=emil \
        CRDT_COUNTER_PEER=$(at ben) "$counter" --transport "$kind")" \
        '"event":"ready","name":"emil"' '"value":"5"'
    until_line ana 0 '"event":"peer_up","name":"ben"' >/dev/null
    until_line ana 0 '"event":"peer_up","name":"cleo"' >/dev/null
    until_line ben 0 '"event":"peer_up","name":"emil"' >/dev/null
    equal ana ben
    is "$(value ana x)" 5
}

# The number of changes, and their sum, that were made when Ctrl-C came.
populate_is_interrupted() { # G3
    local answer sum here
    begin ben --transport "$kind" --listen 127.0.0.1:0 --dir "$place/ben.data"
    begin ana --transport "$kind" --peer "$(at ben)" --dir "$place/ana.data"
    ask ana 'create x' >/dev/null
    equal ana ben
    echo 'populate x 10000000 1' >&"${input[ana]}"
    here=0
    while [[ $here == 0 ]]; do here=$(value ben x); done
    end ana INT || true
    answer=$(grep '"command":"populate' "$place/ana.out")
    has "$answer" '"ok":false' 'stopped: '
    sum=$(json get sum <<<"$answer")
    (($(json get count <<<"$answer") < 10000000))
    is "$(grep -c $'\033' "$place/ana.out" "$place/ana.err" | tr '\n' ' ')" \
        "$place/ana.out:0 $place/ana.err:0 "
    # What was answered is there, and gets to where it was not yet.
    begin ana --transport "$kind" --peer "$(at ben)" --dir "$place/ana.data"
    equal ana ben
    is "$(value ana x) $(value ben x)" "$sum $sum"
}

# until_screen TEXT
until_screen() {
    local tries
    for ((tries = 0; tries < 3000; tries++)); do
        grep -qaF -- "$1" "$place/screen" && return
        sleep 0.01
    done
    echo "the screen never showed $1"
    return 1
}

a_bar_at_a_terminal() { # G3
    script -qec true /dev/null </dev/null &>/dev/null ||
        { echo 'no script(1), or no pseudo-terminals'; exit 77; }
    begin ben --transport "$kind" --listen 127.0.0.1:0
    ask ben 'create x' >/dev/null
    mkfifo "$place/typed"
    exec {typed_fd}<>"$place/typed"
    TERM=xterm script -qefc "exec $counter --name me --transport $kind \
        --peer $(at ben)" "$place/screen" <"$place/typed" >/dev/null &
    until_line ben 0 '"event":"peer_synced","name":"me"' >/dev/null
    printf 'populate x 3000000 1\r' >&"$typed_fd"
    until_screen $'[\033[32m='
    until_screen ' of 3,000,000 changes'
    printf '\003' >&"$typed_fd"
    until_screen 'stopped: '
    printf 'wait 60\r' >&"$typed_fd"
    until_screen 'synced with 1 peer'
    printf '\004' >&"$typed_fd"
    wait $!
    has "$(<"$place/screen")" $'\033[31mstopped: '
    is "$(grep -a -o 'are made, [-+0-9]*' "$place/screen" | tr -d 'a-z, +')" \
        "$(value ben x)"
}

a_cluster_by_one_command() { # G7
    local said
    said=$("$(dirname "$counter")/counter-cluster" --ops 400 --rate 2000 \
        --transport "$kind") || { echo "$said"; return 1; }
    has "$said" 'ben is here' 'is killed (SIGKILL)' 'ben is back' \
        'Nothing was lost' 'all 3 agree' 'OK: all three agree'
}

# >> all ----------------------------------------------------------------------

pattern=${1:-}
transports='tcp udp'
# Of libzmq ThreadSanitizer tells what is not so.
[[ $counter != */tsan/* ]] && pkg-config --exists libzmq && transports+=' zmq'

# Each in a directory of its own.
over() {
    kind=$1 place=$place/$1
    mkdir "$place"
    for test in commands_as_they_come settings_from_everywhere \
        populate_is_interrupted a_bar_at_a_terminal \
        a_cluster_by_one_command; do
        try "$test"
    done >"$place/said"
    sed "s/^\(FAIL\|skipped\)/& $kind/" "$place/said"
    echo "$passed $failed $skipped" >"$place/counts"
}

for kind in $transports; do over "$kind" & done
wait
passed=0 failed=0 skipped=0
for kind in $transports; do
    read -r p f s <"$place/$kind/counts"
    passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
done
((skipped)) && tail=", $skipped skipped" || tail=
echo "$passed passed, $failed failed$tail"
((failed == 0))
