# Medians of the rounds, as tables in Markdown (stdout), as DIR/peers.json, and
# as DIR/*.bars for the plots. Reads versions, machine and results, in this
# order.

function field(key,    at, rest) {
    at = index($0, "\"" key "\":")
    if (!at)
        return ""
    rest = substr($0, at + length(key) + 3)
    sub(/^"/, "", rest)
    sub(/["},].*/, "", rest)
    return rest
}

# Of what is in values[id, 1..n]; n is small.
function median(id, n,    i, j, t) {
    for (i = 2; i <= n; i++)
        for (j = i; j > 1 && values[id, j - 1] > values[id, j]; j--) {
            t = values[id, j]
            values[id, j] = values[id, j - 1]
            values[id, j - 1] = t
        }
    return (values[id, int((n + 1) / 2)] + values[id, int(n / 2) + 1]) / 2
}

function digits(x) {
    return sprintf(x < 10 ? "%.2f" : x < 100 ? "%.1f" : "%.0f", x)
}

function show(x, unit) {
    sub(/\/.*/, "", unit)
    if (unit == "ns" && x >= 1e6) return digits(x / 1e6) " ms"
    if (unit == "ns" && x >= 1e4) return digits(x / 1e3) " µs"
    if (unit == "ms" && x < 0.1) return digits(x * 1e3) " µs"
    if (unit == "B" && x >= 1e6) return digits(x / 1e6) " MB"
    if (unit == "B" && x >= 1e4) return digits(x / 1e3) " kB"
    return digits(x) " " unit
}

# "text.open/rustcode": its group is the trace, or what it is about.
function group_of(name) {
    if (name ~ /^text\./)
        return substr(name, index(name, "/") + 1)
    return "data"
}

function case_of(name) {
    sub(/^text\./, "", name)
    sub(/\/.*/, "", name)
    return name
}

function say_case(name) {
    return (case_of(name) in label) ? label[case_of(name)] : case_of(name)
}

# Our size that compares with theirs: we drop what was deleted, always.
function ours_for(name) {
    sub(/size_full/, "size_saved", name)
    return name
}

BEGIN {
    label["local"] = "edits here, each"
    label["remote_keystrokes"] = "keystroke there, each"
    label["keystroke_bytes"] = "bytes of a keystroke"
    label["catch_up"] = "last 1 %: taken out and joined"
    label["catch_up_bytes"] = "last 1 %: bytes"
    label["remote_whole"] = "join the whole"
    label["open"] = "open, ready to edit"
    label["save"] = "save"
    label["memory"] = "memory, opened"
    label["size_full"] = "saved, all history"
    label["size_full_gz"] = "saved, all history, gzip"
    label["size_saved"] = "saved, deleted text dropped"
    label["size_saved_gz"] = "saved, deleted text dropped, gzip"
    label["size_forgotten"] = "saved, history forgotten"
    label["size_forgotten_gz"] = "saved, history forgotten, gzip"
    label["map.fill"] = "map: a new key, its commit"
    label["map.bytes_per_element"] = "map: memory of a key"
    label["map.load"] = "map: load, each"
    label["map.merge"] = "map: full merge, each"
    label["map.merge_known_vv"] = "map: delta of 1,000, each"
    label["map.known_vv_bytes"] = "map: bytes of that delta"
    label["map.apply"] = "map: join one new key"
    label["aw_set.fill"] = "OR-set: fill, each"
    label["aw_set.bytes_per_element"] = "OR-set: memory of an int"
    label["aw_set.add"] = "OR-set: add"
    label["aw_set.apply"] = "OR-set: join one add"
    label["aw_set.merge"] = "OR-set: full merge, each"
    label["counter.add.one"] = "counter: add 1"
}

FILENAME ~ /versions$/ {
    version[$1] = $2
    known[++engine_count] = $1
    next
}
FILENAME ~ /machine$/ {
    machine = $0
    next
}

{
    engine = field("engine")
    name = field("name")
    id = engine SUBSEP name
    if (!(name in unit_of)) {
        unit_of[name] = field("unit")
        order[++name_count] = name
    }
    if (!(id in n))
        ids[++id_count] = id
    values[id, ++n[id]] = field("value") + 0
    seen[engine] = 1
}

function measure_all(    i) {
    for (i = 1; i <= id_count; i++)
        value[ids[i]] = median(ids[i], n[ids[i]])
    for (i = 1; i <= engine_count; i++)
        if (known[i] in seen)
            engines[++used] = known[i]
}

# Theirs by ours, 0 when one of them is not there.
function ratio(engine, name,    mine) {
    mine = "ours" SUBSEP ours_for(name)
    if (!((engine SUBSEP name) in value) || !(mine in value) || value[mine] <= 0)
        return 0
    return value[engine, name] / value[mine]
}

function write_json(    i, at, file) {
    file = dir "/peers.json"
    printf "{\"machine\":\"%s\",\"engines\":{", machine > file
    for (i = 1; i <= used; i++)
        printf "%s\"%s\":\"%s\"", (i > 1 ? "," : ""), engines[i], \
            version[engines[i]] > file
    printf "},\"results\":[" > file
    for (i = 1; i <= id_count; i++) {
        split(ids[i], at, SUBSEP)
        printf "%s\n{\"engine\":\"%s\",\"name\":\"%s\",\"value\":%.6g,", \
            (i > 1 ? "," : ""), at[1], at[2], value[ids[i]] > file
        printf "\"unit\":\"%s\",\"rounds\":%d}", unit_of[at[2]], n[ids[i]] > file
    }
    print "]}" > file
    close(file)
}

# Whatever a peer does in less than 95 % of ours: what we have to learn.
function write_ahead(    i, e, r, name, some) {
    print "## Ahead of us\n"
    for (i = 1; i <= name_count; i++)
        for (e = 1; e <= used; e++) {
            name = order[i]
            r = engines[e] == "ours" ? 0 : ratio(engines[e], name)
            if (r <= 0 || r >= 0.95)
                continue
            if (!some++)
                print "| what | where | who | they | we | they take |\n" \
                    "|---|---|---|---|---|---|"
            printf "| %s | `%s` | %s | %s | %s | %.2f of ours |\n", \
                say_case(name), group_of(name), engines[e], \
                show(value[engines[e], name], unit_of[name]), \
                show(value["ours", ours_for(name)], unit_of[name]), r
        }
    print some ? "" : "Nobody, in what was measured here.\n"
}

function cell(engine, name,    r) {
    if (!((engine SUBSEP name) in value))
        return "-"
    r = show(value[engine, name], unit_of[name])
    if (engine == "ours" || !ratio(engine, name))
        return r
    return r " (" digits(ratio(engine, name)) ")"
}

function write_table(group,    i, e, row, bars, head, key) {
    bars = dir "/" group ".bars"
    row = "| |"
    head = "|---|"
    printf "case" > bars
    for (e = 1; e <= used; e++) {
        row = row " " engines[e] " |"
        head = head "---|"
        if (engines[e] != "ours")
            printf "\t%s", engines[e] > bars
    }
    print "## `" group "`\n\n" row "\n" head
    printf "\n" > bars
    for (i = 1; i <= name_count; i++) {
        if (group_of(order[i]) != group || order[i] ~ /as_recorded|_ratio|gapb|delta_key/)
            continue
        row = "| " say_case(order[i]) " |"
        for (e = 1; e <= used; e++)
            row = row " " cell(engines[e], order[i]) " |"
        print row
        if (order[i] ~ /_gz\// || ours_for(order[i]) != order[i])
            continue
        printf "%s", case_of(order[i]) > bars
        for (e = 1; e <= used; e++)
            if (engines[e] != "ours")
                printf "\t%s", ratio(engines[e], order[i]) ? \
                    ratio(engines[e], order[i]) : "-" > bars
        printf "\n" > bars
    }
    print ""
    close(bars)
}

function write_otherwise(    e, i, id, some) {
    for (i = 1; i <= name_count; i++)
        for (e = 1; e <= used; e++) {
            id = engines[e] SUBSEP order[i]
            if (order[i] ~ /as_recorded/ && id in value && value[id] == 0)
                some = some (some ? ", " : "") engines[e] " (`" \
                    group_of(order[i]) "`)"
        }
    if (some)
        print "Other order of what is concurrent than in the recording, so" \
            " another text: " some ".\n"
}

END {
    measure_all()
    write_json()
    print "# Beside other engines\n"
    print "`make bench-peers` on " machine ".\n"
    printf "In brackets: theirs as a multiple of ours."
    for (e = 1; e <= used; e++)
        printf "%s %s %s", (e > 1 ? "," : ""), engines[e], version[engines[e]]
    print ".\n"
    write_ahead()
    for (i = 1; i <= name_count; i++)
        if (!(group_of(order[i]) in done)) {
            done[group_of(order[i])] = 1
            write_table(group_of(order[i]))
        }
    write_otherwise()
}
