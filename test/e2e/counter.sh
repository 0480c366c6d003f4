#!/usr/bin/env bash
#
# The counter demo as its users meet it: real processes, over TCP on loopback,
# driven by pipes, files and a terminal, killed and started again. Ports are
# those that the system gives; whatever happens, nothing is left running.
#
#   counter.sh [PATTERN]     only the tests whose name holds PATTERN

set -uo pipefail
cd "$(dirname "$0")/../.."

counter=$PWD/${BUILD:-build}/counter
[[ ${BUILD:-build} = /* ]] && counter=$BUILD/counter
place=$(mktemp -d)
passed=0 failed=0 skipped=0
unset "${!CRDT_COUNTER_@}"
export CRDT_COUNTER_HISTORY=$place/history TERM=${TERM:-dumb}
trap 'end_all; rm -rf "$place"' EXIT
trap 'exit 130' INT TERM

# >> JSON ---------------------------------------------------------------------
# json check: fails when a line of the input is no JSON object.
# json get KEY: the member KEY of each line, as it stands.

cat >"$place/json.c" <<'C'
#include <cJSON.h>
#include <stdio.h>
#include <string.h>
int main(int argc, char **argv)
{
    static char line[1 << 20];
    while (fgets(line, sizeof line, stdin)) {
        cJSON *o = cJSON_ParseWithOpts(line, NULL, 1), *item;
        char *text;
        if (!cJSON_IsObject(o)) {
            printf("no JSON object: %s", line);
            return 1;
        }
        item = argc > 2 ? cJSON_GetObjectItemCaseSensitive(o, argv[2]) : NULL;
        text = item ? cJSON_PrintUnformatted(item) : NULL;
        if (cJSON_IsString(item))
            puts(item->valuestring);
        else if (text)
            puts(text);
        cJSON_free(text);
        cJSON_Delete(o);
    }
    return 0;
}
C
cc -o "$place/json" "$place/json.c" $(pkg-config --cflags --libs libcjson) ||
    { echo '0 passed, 1 failed'; exit 1; }
json() { "$place/json" "$@"; }

# >> peers --------------------------------------------------------------------
# A peer runs in the background: commands go to a pipe, answers to a file.

declare -A pid input port

# begin NAME OPTION...: starts it and waits until it is ready.
begin() {
    local name=$1 fd
    shift
    rm -f "$place/$name.in"
    mkfifo "$place/$name.in"
    exec {fd}<>"$place/$name.in"
    input[$name]=$fd
    : >"$place/$name.out"
    (
        # None holds the input of another, so that all end with this script.
        for fd in "${input[@]}"; do exec {fd}>&-; done
        exec "$counter" --json --name "$name" "$@" <"$place/$name.in" \
            >>"$place/$name.out" 2>>"$place/$name.err"
    ) &
    pid[$name]=$!
    until_line "$name" 0 '"event":"ready"' >"$place/ready" || return 1
    port[$name]=$(json get port <"$place/ready")
}

# until_line NAME AFTER TEXT: the first line behind the AFTER-th that holds it.
until_line() {
    local tries
    for ((tries = 0; tries < 1000; tries++)); do
        text=$3 awk -v after="$2" '
            NR > after && index($0, ENVIRON["text"]) { print; found = 1; exit }
            END { exit !found }' "$place/$1.out" && return
        sleep 0.01
    done
    echo "$1 never said $3"
    return 1
}

# ask NAME COMMAND: its answer.
ask() {
    local before
    before=$(wc -l <"$place/$1.out")
    echo "$2" >&"${input[$1]}"
    until_line "$1" "$before" "{\"command\":\"$2\""
}

# value NAME VARIABLE
value() { ask "$1" "get $2" | json get value; }

# end NAME [SIGNAL]: sends it, or quits, and waits; answers its exit status.
end() {
    local status
    if [[ -n ${2:-} ]]; then
        kill "-$2" "${pid[$1]}"
    else
        echo quit >&"${input[$1]}"
    fi
    { wait "${pid[$1]}"; status=$?; } 2>/dev/null
    exec {input[$1]}>&-
    unset "pid[$1]" "input[$1]"
    return "$status"
}

end_all() {
    local name
    for name in "${!pid[@]}"; do
        { kill -9 "${pid[$name]}"; wait "${pid[$name]}"; } 2>/dev/null || true
        exec {input[$name]}>&-
    done
    pid=() input=() port=()
}

# at NAME: where it listens.
at() { echo "127.0.0.1:${port[$1]}"; }

# three: ana, ben and cleo, each connected with each.
three() {
    begin ana --listen 127.0.0.1:0 || return
    begin ben --listen 127.0.0.1:0 --peer "$(at ana)" || return
    begin cleo --listen 127.0.0.1:0 --peer "$(at ana)" --peer "$(at ben)" ||
        return
    until_line ana 0 '"event":"peer_up","name":"ben"' >/dev/null &&
        until_line ana 0 '"event":"peer_up","name":"cleo"' >/dev/null &&
        until_line ben 0 '"event":"peer_up","name":"cleo"' >/dev/null
}

# equal NAME...: waits until all have one digest.
equal() {
    local tries name digests
    for ((tries = 0; tries < 500; tries++)); do
        digests=$(for name; do ask "$name" digest | json get digest; done |
            sort -u | wc -l)
        [[ $digests == 1 ]] && return
        sleep 0.01
    done
    echo "digests of $* stay different"
    return 1
}

# >> checks -------------------------------------------------------------------

# is GOT WANTED
is() {
    [[ $1 == "$2" ]] || { echo "got: $1"; echo "not: $2"; return 1; }
}

# has TEXT PART...
has() {
    local text=$1 part
    shift
    for part; do
        [[ $text == *"$part"* ]] ||
            { echo "got: $text"; echo "without: $part"; return 1; }
    done
}

# typed COMMAND...: what counter says to these, errors included.
typed() { printf '%s\n' "$@" | "$counter" --name me 2>&1 || true; }

try() {
    local status
    [[ $1 == *"$pattern"* ]] || return 0
    (set -e; trap end_all EXIT; [[ -n ${TRACE:-} ]] && set -x; "$1") >"$place/log" 2>&1
    status=$?
    if [[ $status == 77 ]]; then
        skipped=$((skipped + 1))
        echo "skipped $1: $(tail -n 1 "$place/log")"
    elif [[ $status == 0 ]]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAIL $1"
        sed 's/^/    /' "$place/log"
    fi
}

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
    is "$(value ana x)" 12 || { sleep 0.2; is "$(value ana x)" 12; }
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
    has "$said" 'is killed (SIGKILL)' 'ben is back' 'OK: all three agree'
    is "$(pgrep -P $$ -f counter-cluster || true)" ''
}

# >> all ----------------------------------------------------------------------

pattern=${1:-}
for test in help_and_version wrong_options_are_refused \
    variables_and_their_values populating overflow_is_answered \
    errors_say_what_to_type a_pipe_tells_by_its_status a_file_comes_first \
    a_rate_is_kept options_come_from_everywhere json_is_exact \
    a_terminal_has_a_prompt a_closed_window_ends_it three_peers_converge created_by_all_at_once \
    a_late_joiner_gets_all_from_one one_shot_from_a_pipe files_at_once \
    status_tells_the_truth killed_and_back ctrl_c_says_goodbye \
    the_cluster_agrees; do
    try "$test"
done

((skipped)) && tail=", $skipped skipped" || tail=
echo "$passed passed, $failed failed$tail"
((failed == 0))
