#!/bin/sh
# What contrib has for administrators: the completion offers what the program
# has, the units of systemd and the cron lines name commands that there are;
# and every list of Debian packages agrees with contrib/packages.sh.
set -eu
. "${top_srcdir:-.}/tests/scenario.sh"
PATH=$(dirname "$apus"):$PATH
export PATH

if command -v bash >/dev/null; then
    # offers WORD...: what is offered for the last word, in $got
    cat >ask.sh <<'TXT'
. "$1"
shift
COMP_WORDS=(apus "$@")
COMP_CWORD=$#
_apus
printf '%s\n' "${COMPREPLY[@]}"
TXT
    offers() {
        bash ask.sh "$top/contrib/completion/apus" "$@" >out 2>err
    }
    offers st
    has out '^status$' "bash completes a command"
    offers model l
    has out '^list$' "a command of a command"
    offers run --ba
    has out '^--batch$' "an option"
    APUS_MODELS=$tmp/models
    export APUS_MODELS
    "$apus" model add "$top/models/nano" nano >out 2>err
    offers run -m na
    has out '^nano$' "a model"
else
    echo "ok 1 - completion # SKIP no bash"
    n=1
fi

build=$(cd "$(dirname "$apus")" && pwd)
version=$("$apus" --version | sed -n 's/^apus \([^ ]*\) .*/\1/p')
grep '@' "$build/admin/apus.cron" "$build/admin/apus-drain.service" \
    "$build/admin/$version" >out || true
[ ! -s out ] && r=0 || r=1
report $r "nothing is left to be filled in"

# ---- a prefix that is said to make install alone -----------------------------
install_admin() { # DIR [PREFIX]
    env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL make -s -C "$build" \
        install-nodist_pkgdataDATA install-nodist_systemdunitDATA \
        install-nodist_modulefileDATA DESTDIR="$1" ${2:+prefix="$2"} \
        >out 2>err
}
cp -R "$build/admin" admin.before
install_admin "$tmp/root" /some/where && r=0 || r=1
report $r "make install prefix=/some/where"
at=root/some/where
grep -n '/usr/local' "$at/share/apus/apus.cron" \
    "$at/lib/systemd/system/apus-drain.service" \
    "$at/share/apus/modulefiles/apus/$version" >out && r=1 || r=0
report $r "names no other prefix"
has "$at/share/apus/apus.cron" '^PATH=/some/where/bin:' "cron has it"
has "$at/lib/systemd/system/apus-drain.service" \
    '^ExecStart=/some/where/bin/apus drain' "systemd has it"
has "$at/share/apus/modulefiles/apus/$version" \
    '^prepend-path MANPATH /some/where/share/man' "the modulefile has it"
install_admin "$tmp/again" && diff -r admin.before "$build/admin" >out 2>&1 &&
    r=0 || r=1
report $r "without one they are those of the build again"
mkdir -p moved/bin moved/share/apus
cp "$apus" moved/bin/
# which is too long to be code, and is named
head -c 3000000 /dev/zero >moved/share/apus/queue.lua
(umask 077
    cat "$top/vectors/arweave/wallet-rsa4096.TEST-ONLY.jwk.json" >w.json)
APUS_WALLET=w.json APUS_SPOOL=spool moved/bin/apus queue new >out 2>err ||
    true
has err 'moved/bin/../share/apus/queue' "queue new finds what is beside it"

# every "apus COMMAND" of the files is a command, with options that it has
for f in apus.cron apus-drain.service; do
    grep -v '^#' "$build/admin/$f" | grep -o 'apus [a-z][a-z]* .*' |
        sed 's/^apus apus/apus/' | sort -u >lines
    [ -s lines ] && r=0 || r=1
    report $r "$f calls apus"
    while read -r _ command rest; do
        "$apus" "$command" --help >help 2>err && r=0 || r=1
        for word in $rest; do
            case $word in
            --log-level) ;; # a setting, which every command takes
            --*) grep -q -e "$word" help || r=1 ;;
            esac
        done
        cp help out
        report $r "$f: $command and its options"
    done <lines
done

if command -v systemd-analyze >/dev/null; then
    mkdir units
    # it would look for an installed manual
    sed "s|=.*/bin/apus |=$apus |; s/^User=.*/User=root/
        /^Documentation=/d" \
        "$build/admin/apus-drain.service" >units/apus-drain.service
    cp "$top/contrib/systemd/apus-drain.timer" units/
    systemd-analyze verify units/apus-drain.service units/apus-drain.timer \
        >out 2>err && r=0 || r=1
    report $r "systemd takes the units"
else
    n=$((n + 1))
    echo "ok $n - systemd takes the units # SKIP no systemd-analyze"
fi
if command -v tclsh >/dev/null; then
    cat >load.tcl <<'TXT'
proc module-whatis {args} {}
proc prepend-path {what path} { puts "$what $path" }
proc setenv {what value} { puts "$what $value" }
source [lindex $argv 0]
ModulesHelp
TXT
    tclsh load.tcl "$build/admin/$version" >out 2>err && r=0 || r=1
    report $r "the modulefile is Tcl"
    has out '^PATH /.*/bin$' "it adds to PATH"
else
    n=$((n + 1))
    echo "ok $n - the modulefile # SKIP no tclsh"
fi

# ---- packages: contrib/packages.sh has the list ------------------------------
# sourced as contrib/check does it, for all parts
(
    # shellcheck disable=SC2034
    parts='san tsan fuzz arm module' whole=yes
    . "$top/contrib/packages.sh"
    echo "$needed" | awk 'NF { print $1 }' | sort >needed
    echo "$needed$useful" | awk 'NF { print $1 }' | sort >all
)
# git tells the commit: a release is built without it
grep -v '^git$' needed >build_needs

# the packages of an apt-get install that goes over several lines
apt_list() { # FILE
    awk '/apt-get install/ { on = 1 }
        on { more = /\\$/; sub(/\\$/, "")
            sub(/.*apt-get install/, ""); print }
        on && !more { exit }' "$1" | tr -s ' ' '\n' | grep '^[a-z]' | sort
}
# compare LIST OTHER NAME: both have the same lines; what differs is shown
compare() {
    diff "$1" "$2" >out 2>err && r=0 || r=1
    report $r "$3"
}
apt_list "$top/README.md" >readme
compare build_needs readme "README lists what the build needs"

apt_list "$top/contrib/apus.def" >image
comm -23 build_needs image >lacks
comm -13 all image >>lacks
compare /dev/null lacks "contrib/apus.def installs it, by the same names"

sed -n "/^needs='/,/^'/p; /^\[ -x configure/,/^\"/p" \
    "$top/contrib/quickstart" |
    awk '$1 ~ /^(tool|lib|file)$/ { print $4 }' | sort >quickstart
comm -23 build_needs quickstart >lacks
comm -13 all quickstart >>lacks
compare /dev/null lacks "contrib/quickstart installs it, by the same names"

# whatever else names one: the messages of configure, prose
cat "$top/configure.ac" "$top"/m4/*.m4 "$top/README.md" |
    grep -oE '\blib[a-z0-9.+-]+-dev\b' | sort -u >named
comm -13 all named >lacks
compare /dev/null lacks "configure and README name no other library"
finish
