#!/usr/bin/env bash
#
# Two counters in two network namespaces with a cable between them, which is
# pulled, and rules that drop one way or double: over TCP and over UDP. Needs
# root, ip and nft, and is skipped where one is missing.

set -uo pipefail
cd "$(dirname "$0")/../.."

counter=$PWD/${BUILD:-build}/counter
[[ ${BUILD:-build} = /* ]] && counter=$BUILD/counter
place=$(mktemp -d)
one=crdt-$$-a two=crdt-$$-b
passed=0 failed=0
declare -A pid input

skip() {
    echo "skipped: $1"
    echo '0 passed, 0 failed, 1 skipped'
    rm -rf "$place"
    exit 0
}

clean() {
    local name
    for name in "${!pid[@]}"; do kill -9 "${pid[$name]}" 2>/dev/null; done
    wait 2>/dev/null
    ip netns del "$one" 2>/dev/null
    ip netns del "$two" 2>/dev/null
    rm -rf "$place"
}

[[ $(id -u) == 0 ]] || skip 'only root makes network namespaces'
command -v ip >/dev/null && command -v nft >/dev/null ||
    skip 'ip or nft is not here'
ip netns add "$one" 2>/dev/null || skip 'no network namespaces here'
trap clean EXIT
trap 'exit 130' INT TERM
ip netns add "$two" &&
    ip link add "v$$a" netns "$one" type veth peer name "v$$b" netns "$two" &&
    ip -n "$one" addr add 10.77.0.1/24 dev "v$$a" &&
    ip -n "$two" addr add 10.77.0.2/24 dev "v$$b" &&
    ip -n "$one" link set "v$$a" up && ip -n "$two" link set "v$$b" up ||
    { clean; skip 'no veth pairs here'; }

# begin NAME NAMESPACE OPTION...
begin() {
    local name=$1 space=$2 fd
    shift 2
    mkfifo "$place/$name.in"
    exec {fd}<>"$place/$name.in"
    input[$name]=$fd
    : >"$place/$name.out"
    ip netns exec "$space" "$counter" --memory --json --name "$name" "$@" \
        <"$place/$name.in" >>"$place/$name.out" 2>>"$place/$name.err" &
    pid[$name]=$!
    until_has "$name" '"event":"ready"'
}

until_has() { # NAME TEXT
    local tries
    for ((tries = 0; tries < 600; tries++)); do
        grep -qF -- "$2" "$place/$1.out" && return
        sleep 0.05
    done
    echo "$1 never said $2"
    return 1
}

tell() { echo "$2" >&"${input[$1]}"; }

# until_value NAME VALUE: asks until x is that.
until_value() {
    local tries
    for ((tries = 0; tries < 300; tries++)); do
        tell "$1" 'get x'
        sleep 0.1
        tail -n 1 "$place/$1.out" | grep -qE "\"value\":\"?$2\"?[,}]" && return
    done
    echo "$1 never had $2: $(tail -n 1 "$place/$1.out")"
    return 1
}

end_both() {
    local name
    for name in "${!pid[@]}"; do
        { kill -9 "${pid[$name]}"; wait "${pid[$name]}"; } 2>/dev/null
        exec {input[$name]}>&-
        rm -f "$place/$name.in"
    done
    pid=() input=()
}

meet() { # TRANSPORT
    begin ana "$one" --transport "$1" --listen 10.77.0.1:7001 &&
        begin ben "$two" --transport "$1" --listen 10.77.0.2:7002 \
            --peer 10.77.0.1:7001 &&
        until_has ana '"event":"peer_up"' &&
        tell ana 'create x' && tell ana '+1 x' && until_value ben 1
}

the_cable_is_pulled() { # TRANSPORT
    meet "$1" || return
    ip -n "$one" link set "v$$a" down
    tell ana '+10 x'
    tell ben '+100 x'
    sleep 1
    until_value ana 11 && until_value ben 101 || return
    ip -n "$one" link set "v$$a" up
    until_value ana 111 && until_value ben 111
}

one_way_is_dropped() {
    meet "$1" || return
    ip netns exec "$two" nft -f - <<'NFT' || return
table ip t {
    chain c {
        type filter hook input priority 0
        ip saddr 10.77.0.1 drop
    }
}
NFT
    tell ana '+10 x'
    tell ben '+100 x'
    sleep 1
    until_value ben 101 || return
    ip netns exec "$two" nft delete table ip t
    until_value ana 111 && until_value ben 111
}

every_packet_comes_twice() {
    local i
    ip netns exec "$one" nft -f - <<NFT || return
table ip t {
    chain c {
        type filter hook output priority 0
        ip daddr 10.77.0.2 dup to 10.77.0.2 device "v$$a"
    }
}
NFT
    meet "$1" || return
    for ((i = 0; i < 20; i++)); do tell ana '+1 x'; done
    until_value ben 21
    local status=$?
    ip netns exec "$one" nft delete table ip t
    return $status
}

for transport in tcp udp; do
    for test in the_cable_is_pulled one_way_is_dropped \
        every_packet_comes_twice; do
        if "$test" "$transport" >"$place/log" 2>&1; then
            passed=$((passed + 1))
        else
            failed=$((failed + 1))
            echo "FAIL $test over $transport"
            sed 's/^/    /' "$place/log"
        fi
        end_both
    done
done

echo "$passed passed, $failed failed"
((failed == 0))
