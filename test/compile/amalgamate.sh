#!/usr/bin/env bash
#
# tools/amalgamate: what comes out of small good trees, byte for byte, and what
# it says to bad ones.

set -euo pipefail
cd "$(dirname "$0")/../.."

place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
passed=0 failed=0
tool=$place/amalgamate
${CC:-cc} -std=c99 -o "$tool" tools/amalgamate.c

# tree < "FILE:" and its lines, and so on: a fresh directory with these files.
tree() {
    local line file=
    rm -rf "$place/src"
    mkdir "$place/src"
    while IFS= read -r line; do
        if [[ $line =~ ^([a-z.]+):$ ]]; then
            file=$place/src/${BASH_REMATCH[1]}
            : >"$file"
        else
            printf '%s\n' "$line" >>"$file"
        fi
    done
}

# module NAME LINE...: adds a well-formed module to the tree.
module() {
    local guard=CRDTI_${1^^}_H
    printf '%s\n' "#ifndef $guard" "#define $guard" "${@:2}" '#endif' \
        >"$place/src/$1.h"
}

verdict() { # STATUS NAME
    if (($1 == 0)); then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAIL $2"
    fi
}

# gives NAME < the output that is expected after the banner.
gives() {
    local status=0
    cat >"$place/want"
    (cd "$place/src" && "$tool" root.in.h) >"$place/all" || status=$?
    sed 1d "$place/all" | diff -u "$place/want" - || status=1
    verdict $status "$1"
}

# refuses NAME MESSAGE: nothing is written, and stderr is exactly MESSAGE.
refuses() {
    local status=0 said
    rm -f "$place/out.h"
    said=$(cd "$place/src" && "$tool" root.in.h -o "$place/out.h" 2>&1) &&
        { echo "    it accepted that"; status=1; }
    [[ $said == "$2" ]] || { echo "    it said: $said"; status=1; }
    [[ ! -e $place/out.h ]] || { echo "    it wrote something"; status=1; }
    verdict $status "$1"
}

# >> good trees

tree <<'END'
root.in.h:
/* root */
#include <stdio.h>
#include "a.h"
#include "b.h" // vanishes with its line
#ifdef CRDTSYNC_IMPLEMENTATION
#  include "c.h"
#endif
END
module a 'int	a;  '
module b '#include <stddef.h>' '#include "a.h"' 'int b;'
module c '#include "b.h"' '#include "a.h"' 'int c;'
gives 'includes are expanded once each and nothing else is touched' <<'END'
/* root */
#include <stdio.h>
/* >> a.h */
#ifndef CRDTI_A_H
#define CRDTI_A_H
int	a;  
#endif
/* >> b.h */
#ifndef CRDTI_B_H
#define CRDTI_B_H
#include <stddef.h>
int b;
#endif
#ifdef CRDTSYNC_IMPLEMENTATION
/* >> c.h */
#ifndef CRDTI_C_H
#define CRDTI_C_H
int c;
#endif
#endif
END

tree <<'END'
root.in.h:
#include "b.h"
#include "a.h"
END
module a 'int a;'
module b '#include "a.h"' 'int b;'
gives 'a module comes where it is first included' <<'END'
/* >> b.h */
#ifndef CRDTI_B_H
#define CRDTI_B_H
/* >> a.h */
#ifndef CRDTI_A_H
#define CRDTI_A_H
int a;
#endif
int b;
#endif
END

tree <<'END'
root.in.h:
/* An example:
#include "nothing.h"
*/
#include "a.h"
END
module a '/* " */ const char *s = "/*"; /* it'"'"'s' '#if 0 */' \
    'char c = '"'"'"'"'"'; // "' '#define M(x) \' '#include "no.h"' \
    '#if 1 /*' '#endif */' '# else' '#endif'
gives 'comments, strings and continued lines hide directives' <<'END'
/* An example:
#include "nothing.h"
*/
/* >> a.h */
#ifndef CRDTI_A_H
#define CRDTI_A_H
/* " */ const char *s = "/*"; /* it's
#if 0 */
char c = '"'; // "
#define M(x) \
#include "no.h"
#if 1 /*
#endif */
# else
#endif
#endif
END

tree <<'END'
root.in.h:
#include "some-name.h"
END
printf '/* why */\n\n# ifndef CRDTI_SOME_NAME_H\n#define %s\n#endif /* it */\n' \
    CRDTI_SOME_NAME_H >"$place/src/some-name.h"
(cd "$place/src" && "$tool" root.in.h) >"$place/all"
(cd "$place" && "$tool" src/root.in.h -o named.h)
cmp "$place/all" "$place/named.h" && same=0 || same=1
verdict $same 'neither the way to the root nor -o changes the output'
head -n 1 "$place/all" | grep -q 'Generated from src/' && same=0 || same=1
verdict $same 'the first line says where it comes from'

# >> bad trees

tree <<'END'
root.in.h:
#include "a.h"
END
module a '#include "b.h"'
module b '' '#include "c.h"'
module c '#include "a.h"'
refuses 'a cycle' 'c.h:3: cycle: a.h <- c.h <- b.h <- a.h'
module a '#include "a.h"'
rm "$place"/src/[bc].h
refuses 'a module that includes itself' 'a.h:3: cycle: a.h <- a.h'

module a '#include "b.h"'
refuses 'a missing module' 'a.h:3: missing module: "b.h"'
module a '#include "../a.h"'
refuses 'a module elsewhere' 'a.h:3: missing module: "../a.h"'
module a '#include A_HEADER'
refuses 'an include of a macro' 'a.h:3: #include "x.h" or <x.h> expected'
module a 'int a;'
module b 'int b;'
refuses 'an unused module' 'b.h:1: unused: nothing includes this module'

module a '#if 1' '#include "b.h"' '#endif'
refuses 'a conditional include in a module' \
    'a.h:4: conditional own include: "b.h"'
module a '#ifdef CRDTSYNC_IMPLEMENTATION' '#include "b.h"' '#endif'
refuses 'the section of the root in a module' \
    'a.h:4: conditional own include: "b.h"'
module a 'int a;'
tree_root() {
    printf '%s\n' '#include "a.h"' "$@" >"$place/src/root.in.h"
}
tree_root '#ifdef OTHER' '#include "b.h"' '#endif'
refuses 'another conditional in the root' \
    'root.in.h:3: conditional own include: "b.h"'
tree_root '#ifdef CRDTSYNC_IMPLEMENTATION' '#else' '#include "b.h"' '#endif'
refuses 'the other branch of the section' \
    'root.in.h:4: conditional own include: "b.h"'
tree_root '#ifndef CRDTSYNC_IMPLEMENTATION' '#include "b.h"' '#endif'
refuses 'the section the other way round' \
    'root.in.h:3: conditional own include: "b.h"'
tree_root '#ifdef CRDTSYNC_IMPLEMENTATION' '#if 1' '#include "b.h"' '#endif' \
    '#endif'
refuses 'a conditional inside the section' \
    'root.in.h:4: conditional own include: "b.h"'
tree_root '#ifdef CRDTSYNC_IMPLEMENTATION' '#include "b.h"' '#endif' \
    '#ifdef CRDTSYNC_IMPLEMENTATION' '#include "a.h"' '#endif'
refuses 'a second section' 'root.in.h:6: conditional own include: "a.h"'
tree_root '#if 1'
refuses 'a conditional without end' \
    'root.in.h:2: ends inside of a conditional'
tree_root '#endif'
refuses 'an #endif too many' 'root.in.h:2: #endif without #if'
tree_root '/* and so on'
refuses 'a comment without end' 'root.in.h:2: ends inside of a comment'
printf '#include "a.h"' >"$place/src/root.in.h"
refuses 'no newline at the end' \
    'root.in.h:1: the line does not end in a newline'

rm "$place/src/b.h"
tree_root
guard() { # NAME MESSAGE LINE...
    printf '%s\n' "${@:3}" >"$place/src/a.h"
    refuses "$1" "$2"
}
wrong='include guard expected'
guard 'no guard' "a.h:1: $wrong: #ifndef CRDTI_A_H" 'int a;'
guard 'an empty module' "a.h:1: $wrong: #ifndef CRDTI_A_H" '/* nothing */'
guard 'another guard' "a.h:1: $wrong: #ifndef CRDTI_A_H" \
    '#ifndef A_H' '#define A_H' '#endif'
guard 'a guard that guards nothing' "a.h:2: $wrong: #define CRDTI_A_H" \
    '#ifndef CRDTI_A_H' '#define A_H' '#endif'
guard 'code before the guard' "a.h:1: $wrong: #ifndef CRDTI_A_H" \
    'int a;' '#ifndef CRDTI_A_H' '#define CRDTI_A_H' '#endif'
guard 'code behind the guard' 'a.h:4: outside of the include guard' \
    '#ifndef CRDTI_A_H' '#define CRDTI_A_H' '#endif' 'int a;'
guard 'an include behind the guard' \
    'a.h:4: outside of the include guard' \
    '#ifndef CRDTI_A_H' '#define CRDTI_A_H' '#endif' '#include <stdio.h>'
guard 'a second conditional behind the guard' \
    'a.h:4: outside of the include guard' \
    '#ifndef CRDTI_A_H' '#define CRDTI_A_H' '#endif' '#ifdef X' '#endif'
guard 'a guard with two branches' 'a.h:3: an include guard has no #else' \
    '#ifndef CRDTI_A_H' '#define CRDTI_A_H' '#else' '#endif'

rm "$place/src/a.h"
ln -s nowhere "$place/src/a.h"
refuses 'a module that cannot be read' 'a.h:0: No such file or directory'

echo "$passed passed, $failed failed"
((failed == 0))
