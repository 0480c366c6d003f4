#!/usr/bin/env bash
#
# The album as its users meet it: real processes over loopback, on ports that
# the system gives; whatever happens, nothing is left running.
#
#   album.sh [PATTERN]     only the tests whose name holds PATTERN

set -uo pipefail
cd "$(dirname "$0")/../.."

build=${BUILD:-build}
[[ $build = /* ]] || build=$PWD/$build
place=$(mktemp -d)
passed=0 failed=0 skipped=0
unset "${!CRDT_ALBUM_@}"
server=
trap '[[ -z $server ]] || kill "$server" 2>/dev/null; rm -rf "$place"' EXIT
trap 'exit 130' INT TERM

# check NAME COMMAND...: passes when it succeeds.
pattern=${1:-}
check() {
    local name=$1
    shift
    [[ $name = *"$pattern"* ]] || return 0
    if "$@" >"$place/log" 2>&1; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAILED: $name"
        tail -20 "$place/log"
    fi
}

skip() {
    skipped=$((skipped + 1))
    echo "skipped: $1"
}

cluster() {
    "$build/cluster" test/e2e/album/"$1".cluster "$place"
}

# >> files --------------------------------------------------------------------

# 1 x 1, as small as a PNG is.
picture() {
    base64 -d <<<'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=='
}

make_files() {
    picture >"$place/beach.png"
    head -c 3000000 /dev/urandom >"$place/long.bin"
    head -c 300000 /dev/urandom >"$place/short.bin"
}

files() {
    make_files
    cluster files &&
        cmp "$place/beach.png" "$place/got.png" &&
        cmp "$place/long.bin" "$place/got.bin" || return 1
    [[ -e $place/_hidden.png && ! -e $place/../escape.png ]] || return 1
    # Three pictures of one content are one file beside the page.
    [[ $(find "$place/trip_files" -name '*.png' | wc -l) = 1 ]] &&
        [[ $(grep -c '<img' "$place/trip.html") = 3 ]] &&
        grep -q 'a &lt;b&gt;long&lt;b&gt; one.bin' "$place/trip.html" &&
        grep -q '&lt;script&gt;alert(&#39;no&#39;)' "$place/trip.html" &&
        ! grep -q '<script' "$place/trip.html"
}

# What removed files held is deleted, and nothing else.
deleted() {
    make_files
    cluster deleted && cmp "$place/beach.png" "$place/deleted.png" &&
        cmp "$place/long.bin" "$place/deleted.bin"
}

# What a browser makes of it: three pictures that are there.
browser() {
    "$1" --headless --no-sandbox --disable-gpu --virtual-time-budget=2000 \
        --dump-dom "file://$place/trip.html" >"$place/dom.html" 2>/dev/null &&
        [[ $(grep -o '<figure' "$place/dom.html" | wc -l) = 4 ]] &&
        ! grep -q '<b>long' "$place/dom.html" &&
        "$1" --headless --no-sandbox --disable-gpu --window-size=900,700 \
            --screenshot="$place/shot.png" "file://$place/trip.html" \
            2>/dev/null && [[ -s $place/shot.png ]]
}

# >> programs -----------------------------------------------------------------

# G1 G2: help, version, options of three places, commands of a file and a pipe.
programs() {
    local program
    for program in album album-server; do
        "$build/$program" --version | grep -q "^$program [0-9]" &&
            "$build/$program" --help | grep -q 'examples:' || return 1
        "$build/$program" --bogus 2>/dev/null </dev/null
        [[ $? = 2 ]] || return 1
    done
    echo '{"server": "127.0.0.1:1", "json": true}' >"$place/config"
    echo '/status' >"$place/script"
    CRDT_ALBUM_DIR=$place/p "$build/album" --config "$place/config" \
        --file "$place/script" <<<'list' >"$place/said" || return 1
    grep -q '"command":"status".*"server":"127.0.0.1:1"' "$place/said" &&
        grep -q '"command":"list","ok":false' "$place/said" || return 1
    "$build/album" --dir "$place/p" --server 127.0.0.1:1 <<<'listFile' \
        >"$place/said" 2>&1
    [[ $? = 1 ]] && grep -q 'did you mean: listFiles' "$place/said"
}

# >> hostile ------------------------------------------------------------------

begin() {
    "$build/album-server" --json --listen 127.0.0.1:0 \
        --data-listen 127.0.0.1:0 --dir "$place/hostile" \
        </dev/null >"$place/server.log" 2>&1 &
    server=$!
    local tries=0
    until grep -q '"ready"' "$place/server.log" || [[ $tries = 600 ]]; do
        sleep 0.1
        tries=$((tries + 1))
    done
    port=$(sed -n 's/.*"ready".*"port":\([0-9]*\),.*/\1/p' "$place/server.log")
    [[ -n $port ]]
}

# album DIR: commands of the input, answers of a client of its own.
album() {
    "$build/album" --json --server "127.0.0.1:$port" --dir "$place/$1"
}

# Bytes that are no greeting, half a greeting, and none at all.
nonsense() {
    local i
    for i in 1 2 3 4 5; do
        head -c $((i * 40)) /dev/urandom
    done >"$place/noise"
    exec 5<>/dev/tcp/127.0.0.1/$port
    for i in 1 2 3 4 5 6 7 8; do
        cat "$place/noise" >/dev/tcp/127.0.0.1/$port || return 1
        printf 'ALB1' >/dev/tcp/127.0.0.1/$port || return 1
        { printf 'ALB1'; head -c 32 /dev/zero; cat "$place/noise"; } \
            >/dev/tcp/127.0.0.1/$port || return 1
    done 2>/dev/null
    exec 5>&-
    album a <<<'register ana first' | grep -q '"ok":true' &&
        kill -0 "$server"
}

# type LINE EXPECTED: to the terminal, and waits until that is shown.
type_line() {
    local tries=0
    printf '%b\r' "$1" >&6
    until grep -aqF "$2" "$place/shown" || [[ $tries = 600 ]]; do
        sleep 0.1
        tries=$((tries + 1))
    done
    [[ $tries -lt 600 ]] || { cat -v "$place/shown"; return 1; }
}

# G1 A12: completion, and the prompt tells how things are.
terminal() {
    mkfifo "$place/keys"
    TERM=xterm NO_COLOR=1 script -qec "exec $build/album --dir $place/t \
        --server 127.0.0.1:$port" /dev/null <>"$place/keys" >"$place/shown" &
    exec 6<>"$place/keys"
    type_line '' 'album> ' && type_line 'login ana first' 'ana> ' &&
        type_line 'creat\tshow' 'made;' &&
        type_line 'enterA\tshow' 'ana@show [synced]> ' &&
        type_line 'hello there' 'hello there' && type_line 'say\t' 'type: say'
    local fine=$?
    printf 'quit\r' >&6
    exec 6>&-
    wait $!
    return $fine
}

# Guessing is slow, and tells nothing of who there is; others come in all the
# while, and what was registered still is.
flood() {
    local i
    for i in {1..12}; do
        echo "login ana wrong$i"
        echo "login nobody$i wrong"
    done | album b >"$place/guesses"
    [[ $(grep -c '"ok":false' "$place/guesses") = 24 ]] || return 1
    [[ $(grep -c 'name or the password is wrong' "$place/guesses") -ge 8 ]] ||
        return 1
    grep -q 'too many attempts: try again in' "$place/guesses" || return 1
    sed -n 's/.*\("error":.*\)/\1/p' "$place/guesses" | head -8 | sort -u |
        wc -l | grep -qx 1 || return 1
    local most
    most=$(sed -n 's/^VmHWM: *\([0-9]*\) kB/\1/p' "/proc/$server/status")
    [[ $most -lt 300000 ]]
}

# Another server at the same address is not believed.
impostor() {
    kill "$server" && wait "$server"
    rm "$place/hostile/server.key"
    sed -i "s/.*//" "$place/server.log"
    "$build/album-server" --json --listen "127.0.0.1:$port" \
        --data-listen 127.0.0.1:0 --dir "$place/hostile" \
        </dev/null >"$place/server.log" 2>&1 &
    server=$!
    local tries=0
    until grep -q '"ready"' "$place/server.log" || [[ $tries = 600 ]]; do
        sleep 0.1
        tries=$((tries + 1))
    done
    album a <<<'login ana first' | grep -q 'its key is another one'
}

# As make soak-album, only shorter.
soak() {
    "$build/album-soak" 3 4 "${CRDT_SEED:-1}"
}

# >> all ----------------------------------------------------------------------

for test in people edit removed; do
    check "$test" cluster "$test"
done
check programs programs
check soak soak
check deleted deleted
check files files
if [[ -f $place/trip.html ]]; then
    chromium=$(command -v chromium chromium-browser google-chrome | head -1)
    if [[ -n $chromium ]]; then
        check browser browser "$chromium"
    else
        skip 'browser: there is no chromium here'
    fi
fi
if [[ -z $pattern || hostile = *"$pattern"* ]]; then
    pattern=
    check begin begin
    check nonsense nonsense
    if script -qec true /dev/null </dev/null >/dev/null 2>&1; then
        check terminal terminal
    else
        skip 'terminal: no script(1), or no pseudo-terminals'
    fi
    check flood flood
    check impostor impostor
fi

echo "$passed passed, $failed failed$( ((skipped)) && echo ", $skipped skipped")"
((failed == 0))
