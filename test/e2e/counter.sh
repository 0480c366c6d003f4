#!/usr/bin/env bash
#
# The counter demo as its users meet it: real processes, on loopback, driven by
# pipes, files and a terminal, killed and started again. Ports are
# those that the system gives; whatever happens, nothing is left running.
#
#   counter.sh [PATTERN]     only the tests whose name holds PATTERN

set -uo pipefail
cd "$(dirname "$0")/../.."

. test/e2e/counter/peers.sh

# >> alone --------------------------------------------------------------------

help_and_version() {
    has "$("$counter" --help)" --listen --peer examples CRDT_COUNTER_LISTEN
    has "$("$counter" --version)" 'counter 0.'
    has "$(typed help)" 'create NAME' '+N NAME' 'populate NAME' 'quit'
    has "$(typed 'help get')" 'the value of one'
}

wrong_options_are_refused() {
    local status=0 said
    said=$("$counter" --lisen x 2>&1) || status=$?
    is "$status" 2
    has "$said" 'is it --listen?'
    status=0
    said=$("$counter" --rate fast 2>&1) || status=$?
    is "$status" 2
    has "$said" 'a number' fast
    status=0
    said=$("$counter" --listen nonsense </dev/null 2>&1) || status=$?
    is "$status" 1
    has "$said" 'cannot open the network'
    status=0
    said=$("$counter" --file "$place/none" </dev/null 2>&1) || status=$?
    is "$status" 1
    has "$said" 'No such file'
}

variables_and_their_values() { # C1
    is "$(typed 'create x' '+5 x' '-12 x' 'add x -3' 'add x 1' 'get x' \
        '/get x' '# a remark' '' 'create y' 'variables')" \
        'x = 0
x = 5
x = -7
x = -10
x = -9
x = -9
x = -9
y = 0
x = -9
y = 0'
}

populating() { # C1
    local a b
    a=$(typed 'create x' 'populate x 5000 7' 'get x')
    b=$(typed 'create x' 'populate x 5000 7' 'get x')
    has "$a" '5,000 random changes'
    is "$(tail -n 1 <<<"$a")" "$(tail -n 1 <<<"$b")"
    has "$(typed 'create x' 'populate x nine')" 'COUNT is a number'
}

overflow_is_answered() { # C1
    local said
    said=$(typed 'create x' 'add x 9223372036854775807' '+1 x' 'get x' \
        '-5 x' '+99999999999999999999 x')
    has "$said" 'nothing changed' 'x = 9223372036854775802' 'out of range'
    said=$(typed 'create y' 'add y -9223372036854775807' '-1 y' 'get y')
    has "$said" 'nothing changed' 'y = -9223372036854775807'
}

errors_say_what_to_type() {
    has "$(typed variabels)" 'did you mean: variables'
    has "$(typed 'gte x')" 'did you mean: get NAME'
    has "$(typed 'get x')" 'no variable "x"' 'create x'
    has "$(typed '+5 x')" 'create x'
    has "$(typed 'create a' 'create b' '+5 c')" 'there are: a, b' 'create c'
    has "$(typed 'create a' 'create a')" 'already' '+N'
    has "$(typed '+5')" 'which variable' '+5 NAME'
    has "$(typed '+5x x')" 'no whole number'
    has "$(typed '+ 5 x')" '+5 NAME'
    has "$(typed 'create +5')" 'does not begin with'
    has "$(typed get)" 'get NAME'
    has "$(typed 'sleep soon')" SECONDS
    has "$(typed nonsense)" 'help lists'
}

a_pipe_tells_by_its_status() {
    local status=0
    echo 'create x' | "$counter"
    printf '%s\n' 'create x' 'get y' | "$counter" || status=$?
    is "$status" 1
}

a_file_comes_first() {
    local said
    printf '# operations\ncreate x\n+5 x\n\n-7 x\noops\n+1 z' >"$place/ops"
    said=$(echo 'get x' | "$counter" --file "$place/ops" 2>&1) || true
    has "$said" "$place/ops:6: " 'no command "oops"' "$place/ops:7: " 'x = -2'
    said=$(echo 'get x' | "$counter" --json --file "$place/ops") || true
    json check <<<"$said"
    has "$said" '"event":"loaded"' '"applied":3' '"failed":2' '"value":"-2"'
}

a_rate_is_kept() {
    local ms
    { echo 'create x'; printf '+%d x\n' {1..99}; } >"$place/ops"
    ms=$(: | "$counter" --json --rate 200 --file "$place/ops" |
        grep '"loaded"' | json get ms)
    ((ms >= 450 && ms < 2000)) || { echo "took $ms ms, not 500"; return 1; }
}

options_come_from_everywhere() {
    cat >"$place/config" <<<'{ "name": "file", "json": true, "rate": 5 }'
    has "$(echo status | "$counter" --config "$place/config")" \
        '"name":"file"'
    has "$(echo status | CRDT_COUNTER_NAME=environment \
        "$counter" --config "$place/config")" '"name":"environment"'
    has "$(echo status | CRDT_COUNTER_CONFIG=$place/config \
        CRDT_COUNTER_NAME=environment "$counter" --name flag)" \
        '"name":"flag"'
    cat >"$place/config" <<<'{ "nmae": "file" }'
    has "$("$counter" --config "$place/config" 2>&1 || true)" '"nmae"'
    cat >"$place/config" <<<'{ "name": "a" } trailing'
    has "$("$counter" --config "$place/config" 2>&1 || true)" \
        'not one JSON object'
}

json_is_exact() {
    local said
    said=$(printf '%s\n' 'create x' '+9007199254740993 x' 'get x' 'get "' \
        $'create n\xff\x01' variables vv digest peers status help nonsense \
        'sleep 0.01' 'populate x 10 1' 'wait 0' |
        "$counter" --json --name $'odd \xc3\xa9 \xff "name"') || true
    json check <<<"$said"
    has "$said" '"value":"9007199254740993"' '"error":' '"hint":' \
        '\\xff\\x01'
}

a_terminal_has_a_prompt() {
    script -qec true /dev/null </dev/null &>/dev/null ||
        { echo 'no script(1), or no pseudo-terminals'; exit 77; }
    local said
    said=$({
        sleep 0.3
        printf 'cre\tvisitors\r'
        sleep 0.1
        printf '+5 vis\t\rget \t\r'
        sleep 0.2
        printf '\003'
    } | NO_COLOR=1 TERM=xterm script -qec "exec $counter --name me" /dev/null)
    has "$said" 'me> ' 'visitors = 0' 'visitors = 5'
    is "$(grep -c 'visitors = 5' <<<"$said")" 2
}

a_closed_window_ends_it() {
    script -qec true /dev/null </dev/null &>/dev/null ||
        { echo 'no script(1), or no pseudo-terminals'; exit 77; }
    local tries
    mkfifo "$place/window"
    TERM=xterm script -qec "echo \$\$ >$place/pid; exec $counter" /dev/null \
        <>"$place/window" >/dev/null &
    sleep 0.3
    { kill -9 $!; wait $!; } 2>/dev/null || true
    for ((tries = 0; tries < 200; tries++)); do
        kill -0 "$(<"$place/pid")" 2>/dev/null || return 0
        # A zombie that nobody reaps has ended too.
        grep -q '^State:.Z' "/proc/$(<"$place/pid")/status" && return
        sleep 0.01
    done
    kill -9 "$(<"$place/pid")"
    echo 'it runs on without a terminal'
    return 1
}

# >> together -----------------------------------------------------------------

three_peers_converge() {
    three
    ask ana 'create x' >/dev/null
    ask ana 'wait' >/dev/null
    ask ana '+1 x' >/dev/null
    ask ben '+20 x' >/dev/null
    ask cleo '-300 x' >/dev/null
    ask ben 'create mine' >/dev/null
    equal ana ben cleo
    is "$(value ana x) $(value ben x) $(value cleo x)" '-279 -279 -279'
    is "$(value cleo mine)" 0
    has "$(ask ana peers)" '"name":"ben"' '"name":"cleo"' '"unacked":"0"'
    for name in ana ben cleo; do json check <"$place/$name.out"; done
    end ana && end ben && end cleo
}

created_by_all_at_once() {
    begin ana --listen 127.0.0.1:0
    begin ben --listen 127.0.0.1:0
    ask ana 'create x' >/dev/null
    ask ana '+5 x' >/dev/null
    ask ben 'create x' >/dev/null
    ask ben '+7 x' >/dev/null
    begin cleo --listen 127.0.0.1:0 --peer "$(at ana)" --peer "$(at ben)"
    ask cleo 'wait' >/dev/null
    equal ana ben cleo
    is "$(value ana x)" 12
    has "$(ask ana 'create x')" 'already'
}

a_late_joiner_gets_all_from_one() { # C7
    three
    ask ana 'create x' >/dev/null
    ask ana 'populate x 3000 1' >/dev/null
    ask ben wait >/dev/null
    ask ben 'create y' >/dev/null
    ask ben 'populate y 3000 2' >/dev/null
    equal ana ben cleo
    begin dora --listen 127.0.0.1:0 --peer "$(at cleo)"
    has "$(ask dora wait)" '"peers":1' '"ok":true'
    equal ana dora
    is "$(value dora x)" "$(value ana x)"
    is "$(value dora y)" "$(value ben y)"
    # And of what happens from now on, though it knows but one of them; and so
    # does who knows but the newcomer.
    begin emil --peer "$(at dora)" --listen 127.0.0.1:0
    ask ana '+1 x' >/dev/null
    ask emil wait >/dev/null
    ask emil '+1 y' >/dev/null
    equal ana ben cleo dora emil
}

one_shot_from_a_pipe() {
    begin ana --listen 127.0.0.1:0
    ask ana 'create x' >/dev/null
    printf '%s\n' wait '+41 x' '+1 x' |
        "$counter" --peer "$(at ana)" --wait
    is "$(value ana x)" 42
    has "$(cat "$place/ana.out")" '"event":"peer_up"' '"event":"peer_down"' \
        'said goodbye'
}

files_at_once() {
    local name
    three
    ask ana 'create x' >/dev/null
    ask ana wait >/dev/null
    printf '+%d x\n' {1..2000} >"$place/ops"
    for name in ana ben cleo; do ask "$name" "load $place/ops" >/dev/null; done
    for name in ana ben cleo; do
        until_line "$name" 0 '"event":"confirmed"' >/dev/null
    done
    equal ana ben cleo
    is "$(value ben x)" 6003000
}

status_tells_the_truth() { # G5, G8
    local said
    begin ana --listen 127.0.0.1:0
    ask ana 'create x' >/dev/null
    ask ana '+5 x' >/dev/null
    has "$(ask ana status)" '"own":"2","acked":"0","unacked":"2"' '"peers":[]'
    has "$(ask ana 'wait 0.05')" '"ok":false' '2 changes are only here'
    begin ben --listen 127.0.0.1:0 --peer "$(at ana)"
    ask ana wait >/dev/null
    said=$(ask ana status)
    has "$said" '"own":"2","acked":"2","unacked":"0"' '"state":"synced"' \
        '"lag":"0"' '"alarms":0'
    is "$(json get digest <<<"$said")" \
        "$(ask ben status | json get digest)"
    is "$(json get vv <<<"$said")" "$(ask ana vv | json get vv)"
    (($(json get sent_bytes <<<"$said") > 0))
    # ben stops hearing: what is new is confirmed by nobody.
    kill -STOP "${pid[ben]}"
    ask ana '+1 x' >/dev/null
    has "$(ask ana status)" '"unacked":"1"' '"state":"syncing"'
    kill -CONT "${pid[ben]}"
    ask ana wait >/dev/null
    has "$(ask ana status)" '"own":"3","acked":"3","unacked":"0"'
}

killed_and_back() { # G4
    local seen
    three
    ask ana 'create x' >/dev/null
    ask ana wait >/dev/null
    ask ben '+5 x' >/dev/null
    ask ben wait >/dev/null
    seen=$(wc -l <"$place/ana.out")
    end ben KILL || true
    until_line ana "$seen" '"event":"peer_down","name":"ben"' >/dev/null
    ask cleo '+7 x' >/dev/null
    for seen in {1..50}; do [[ $(value ana x) == 12 ]] && break; sleep 0.1; done
    is "$(value ana x)" 12
    seen=$(wc -l <"$place/cleo.out")
    begin ben --listen "$(at ben)" --peer "$(at ana)"
    ask ben wait >/dev/null
    is "$(value ben x)" 12
    # cleo had dialled ben and finds it again by itself.
    until_line cleo "$seen" '"event":"peer_up","name":"ben"' >/dev/null
    ask ben '+1 x' >/dev/null
    equal ana ben cleo
    is "$(value cleo x)" 13
}

a_directory_keeps_all() {
    local said id
    printf '%s\n' 'create x' '+5 x' 'populate x 1000 1' |
        "$counter" --dir "$place/kept" >/dev/null
    said=$(printf '%s\n' 'get x' '+1 x' | "$counter" --json --dir "$place/kept")
    has "$said" '"stored":"1002"' '"value":"1587"' '"value":"1588"'
    id=$(head -n 1 <<<"$said" | json get replica)
    # A clean stop keeps the replica id; the end of the machine, or what the
    # program takes for it, does not.
    is "$(echo | "$counter" --json --dir "$place/kept" | json get replica)" "$id"
    cp -r "$place/kept" "$place/copy"
    said=$(echo 'get x' | "$counter" --json --dir "$place/copy")
    has "$said" '"value":"1588"'
    [[ $said != *"$id"* ]] || { echo "the copy took the id $id"; return 1; }
}

nothing_answered_is_lost() { # 15
    local i
    begin ana --dir "$place/ana.data"
    ask ana 'create x' >/dev/null
    for i in {1..20}; do ask ana "+$i x" >/dev/null; done
    end ana KILL || true
    is "$(echo 'get x' | "$counter" --dir "$place/ana.data")" 'x = 210'
}

a_directory_is_one_programs() { # 24
    local said status=0
    begin ana --dir "$place/one"
    said=$("$counter" --dir "$place/one" </dev/null 2>&1) || status=$?
    is "$status" 1
    has "$said" "cannot open $place/one" 'another has it open'
}

a_full_disk_is_told() { # 20
    [[ $(id -u) == 0 ]] && unshare -m true 2>/dev/null ||
        { echo 'may not mount'; exit 77; }
    local said
    said=$(unshare -m bash -c '
        mkdir -p "$1/small" && mount -t tmpfs -o size=16k none "$1/small" &&
        { for i in {100..200}; do printf "create %0250d\n" "$i"; done
          echo "status"; } | "$2" --json --dir "$1/small" | tail -n 5 |
            cut -b -2000' - "$place" "$counter" 2>&1) || true
    has "$said" 'there is no room left on the disk' '"own":"101"'
}

ctrl_c_says_goodbye() { # G3
    begin ana --listen 127.0.0.1:0
    begin ben --listen 127.0.0.1:0 --peer "$(at ana)"
    until_line ana 0 '"event":"peer_up"' >/dev/null
    # What bash starts in the background ignores SIGINT but for a handler.
    end ben INT
    has "$(until_line ana 0 '"event":"peer_down"')" 'said goodbye'
    # Also in the middle of work, with something to read at every moment.
    begin ben --listen 127.0.0.1:0 --peer "$(at ana)"
    ask ben 'create x' >/dev/null
    printf '+%d x\n' {1..400000} >"$place/ops"
    ask ben "load $place/ops" >/dev/null
    end ben TERM
    is "$(grep -c '"event":"loaded"' "$place/ben.out")" 0
}

the_cluster_agrees() { # G7
    local said
    said=$("$(dirname "$counter")/counter-cluster" --ops 2000 --rate 4000) ||
        { echo "$said"; return 1; }
    has "$said" 'is killed (SIGKILL)' 'ben is back' 'Nothing was lost' \
        'OK: all three agree'
    is "$(pgrep -P $$ -f counter-cluster || true)" ''
}

# One that is killed, and one at the other end of a bad line, over any network.
over() { # OPTION...
    local i
    begin ana --listen 127.0.0.1:0 "$@"
    local here=$(at ana)
    begin ben --peer "$here" "$@"
    ask ana 'create x' >/dev/null
    equal ana ben
    for i in 1 2 3 4 5; do
        ask ana "+$i x" >/dev/null
        ask ben "+$i x" >/dev/null
    done
    equal ana ben
    is "$(value ben x)" 30
    end ben KILL || true
    ask ana '+12 x' >/dev/null
    begin ben --peer "$here" "$@"
    until_line ben 0 '"event":"peer_up"' >/dev/null
    equal ana ben
    is "$(value ben x)" 42
}

unix_sockets() {
    local here=unix:$place/ana.sock
    begin ana --listen "$here"
    begin ben --peer "$here"
    ask ben 'create x' >/dev/null
    ask ben '+5 x' >/dev/null
    equal ana ben
    is "$(value ana x)" 5
    end ana
    is "$(ls "$place" | grep -c sock)" 0
}

udp() {
    over --transport udp
}

# Those who say the same group find each other, over any transport.
found_by_broadcast() { # C2
    local group=127.255.255.255:$((20000 + $$ % 20000)) name kind
    for kind in udp tcp zmq; do
        [[ $kind == zmq && $counter == */tsan/* ]] && continue
        for name in ana ben cleo; do
            begin "$name" --transport "$kind" --discover "$group" \
                --listen 127.0.0.1:0 --realm "$kind"
        done
        for name in ana ben cleo; do
            until_line "$name" 0 '"event":"peer_up"' >/dev/null
        done
        ask ana 'create x' >/dev/null
        ask ana '+3 x' >/dev/null
        equal ana ben cleo
        is "$(value cleo x)" 3
        has "$(ask cleo peers)" '"name":"ana"' '"mode":"work"'
        for name in ana ben cleo; do end "$name"; done
    done
}

# In a network of their own, with nothing on the command line but a name.
found_without_being_told() { # C2
    unshare -rn true 2>/dev/null || { echo 'may not make a network'; exit 77; }
    printf '%s\n' 'start ana counter --memory' 'start ben counter --memory' \
        'hear ana peer_up name=ben' 'hear ben peer_up name=ana' \
        'ana: create x' 'until ben: get x => value=0' >"$place/find.cluster"
    unshare -rn bash -c '
        ip link set lo up multicast on && ip route add 224.0.0.0/4 dev lo src 127.0.0.1 ||
            exit 77
        unset CRDT_COUNTER_ALONE
        "$1/cluster" --quiet "$2" && "$1/cluster" --quiet \
            --options "--transport udp" "$2"' - "$(dirname "$counter")" \
        "$place/find.cluster"
}

# On a machine without a network it says so, and works.
without_a_network() {
    unshare -rn true 2>/dev/null || { echo 'may not make a network'; exit 77; }
    local kind
    for kind in tcp udp; do
        has "$(printf 'create x\n+5 x\n' | env -u CRDT_COUNTER_ALONE \
            unshare -rn "$counter" --transport "$kind" --name me 2>/dev/null)" \
            'x = 5'
    done
}

readable_on_the_wire() {
    local line
    begin ana --listen 127.0.0.1:0 --codec json
    exec {line_fd}<>"/dev/tcp/127.0.0.1/${port[ana]}"
    read -r -t 10 line <&"$line_fd"
    exec {line_fd}>&-
    json check <<<"$line"
    has "$line" '"hello"' '"name": "ana"'
    begin ben --peer "$(at ana)" --codec json
    ask ben 'create x' >/dev/null
    equal ana ben
}

a_key_keeps_others_out() {
    begin ana --listen 127.0.0.1:0 --key "$place/key"
    is "$(stat -c %a "$place/key")" 600
    begin ben --peer "$(at ana)" --key "$place/key"
    begin eve --peer "$(at ana)" --key "$place/other"
    begin mallory --peer "$(at ana)"
    ask ana 'create x' >/dev/null
    equal ana ben
    is "$(ask ana peers | json get peers | grep -o '"name"' | wc -l)" 1
    is "$(ask eve variables | json get variables)" '[]'
    is "$(ask mallory variables | json get variables)" '[]'
}

kept_by_default() {
    local status=0 said
    (
        unset CRDT_COUNTER_MEMORY
        export XDG_DATA_HOME=$place/data
        is "$(printf '%s\n' 'create x' '+5 x' | "$counter" --name me)" 'x = 0
x = 5'
        is "$(echo 'get x' | "$counter" --name me)" 'x = 5'
        has "$(ls "$place/data/crdtsync/counter")" me
        begin me
        said=$("$counter" --name me </dev/null 2>&1) || status=$?
        is "$status" 1
        has "$said" 'another has it open' 'another --name'
    )
}

the_prompt_shows_the_mode() { # C5
    script -qec true /dev/null </dev/null &>/dev/null ||
        { echo 'no script(1), or no pseudo-terminals'; exit 77; }
    local said
    begin ben --listen 127.0.0.1:0
    begin cleo --peer "$(at ben)" --stop-at answered
    ask ben 'create x' >/dev/null
    equal ben cleo
    mkfifo "$place/typed"
    exec {typed_fd}<>"$place/typed"
    NO_COLOR=1 TERM=xterm script -qefc \
        "exec $counter --name me --peer $(at ben)" "$place/screen" \
        <"$place/typed" >/dev/null &
    until_line ben 0 '"event":"peer_up","name":"me"' >/dev/null
    for i in {1..500}; do
        ask ben peers | grep -q '"name":"me","replica"' && break; sleep 0.01
    done
    echo sync >&"${input[ben]}"
    for i in {1..1000}; do
        grep -q 'me (ready)> ' "$place/screen" && break
        sleep 0.01
    done
    until grep -q '^State:.T' "/proc/${pid[cleo]}/status"; do sleep 0.01; done
    kill -CONT "${pid[cleo]}"
    until_line ben 0 '"event":"epoch"' >/dev/null
    printf '+5 x\r' >&"$typed_fd"
    for i in {1..1000}; do
        grep -q 'x = 5' "$place/screen" && break
        sleep 0.01
    done
    printf '\004' >&"$typed_fd"
    wait $!
    said=$(<"$place/screen")
    has "$said" 'me (ready)> ' 'full sync 1 is done; ben asked for it' 'x = 5'
}

chaos_on_tcp() {
    over --chaos 'loss=10%,delay=20ms,jitter=10ms,tear=20%'
}

# >> all ----------------------------------------------------------------------

pattern=${1:-}
for test in help_and_version wrong_options_are_refused \
    variables_and_their_values populating overflow_is_answered \
    errors_say_what_to_type a_pipe_tells_by_its_status a_file_comes_first \
    a_rate_is_kept options_come_from_everywhere json_is_exact \
    a_terminal_has_a_prompt a_closed_window_ends_it three_peers_converge created_by_all_at_once \
    a_late_joiner_gets_all_from_one one_shot_from_a_pipe files_at_once \
    status_tells_the_truth killed_and_back a_directory_keeps_all \
    nothing_answered_is_lost a_directory_is_one_programs a_full_disk_is_told \
    ctrl_c_says_goodbye the_cluster_agrees unix_sockets udp found_by_broadcast \
    found_without_being_told without_a_network \
    readable_on_the_wire a_key_keeps_others_out \
    kept_by_default the_prompt_shows_the_mode chaos_on_tcp; do
    try "$test"
done

((skipped)) && tail=", $skipped skipped" || tail=
echo "$passed passed, $failed failed$tail"
((failed == 0))
