# Counters as peers that a script drives, and what it checks them with.
# Sourced in the directory of the repository; `pattern` chooses tests.

counter=$PWD/${BUILD:-build}/counter
[[ ${BUILD:-build} = /* ]] && counter=$BUILD/counter
place=$(mktemp -d)
passed=0 failed=0 skipped=0
unset "${!CRDT_COUNTER_@}"
export CRDT_COUNTER_MEMORY=1 CRDT_COUNTER_ALONE=1 CRDT_COUNTER_HISTORY=$place/history TERM=${TERM:-dumb}
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
tools=$place
json() { "$tools/json" "$@"; }

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
