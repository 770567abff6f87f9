#!/bin/sh
# An output file of other answers is kept before it is replaced.
set -eu
. "${top_srcdir:-.}/tests/scenario.sh"
nano=$top/models/nano
: >apus.conf
APUS_CONFIG=$tmp/apus.conf
APUS_MODELS=$tmp/models
APUS_SPOOL=$tmp/spool
export APUS_CONFIG APUS_MODELS APUS_SPOOL

kept() { # AS NAME
    has err "^apus: warning: \"O\" was not of this batch and model: it is kept \
as \"$1\"$" "$2"
}
nothing_kept() { # NAME
    ! grep -q 'kept' err && r=0 || r=1
    report $r "$1"
}

sed -n '1,3p' "$nano/eval.jsonl" >a.jsonl
sed -n '4,6p' "$nano/eval.jsonl" >b.jsonl
gives 0 "a file" run a.jsonl -m "$nano" -o a.want -q
gives 0 "another file" run b.jsonl -m nano -o b.want -q
gives 0 "an output" run a.jsonl -m nano -o O -q
gives 0 "the same again" run a.jsonl -m nano -o O -q
nothing_kept "it is replaced without a word"
[ ! -e O.1 ] && r=0 || r=1
report $r "and not kept"
gives 0 "the other file, -q" run b.jsonl -m nano -o O -q
kept O.1 "what was there is kept, with a line"
same O b.want "the new answers are there"
same O.1 a.want "and the old ones"
id=$(grep -l '/a.jsonl"' spool/done/*/batch.json | sed 's|/batch.*||; s|.*/b||')
gives 0 "export does it too" export "$id" -o O
kept O.2 "export keeps it"
same O.2 b.want "by the next name"
ln -s O link
gives 0 "through a link" run b.jsonl -m nano -o link -q
same O.3 a.want "the target is kept"
[ -h link ] && r=0 || r=1
report $r "and the link is one"
echo 'my notes' >O
gives 0 "what is not an output" run b.jsonl -m nano -o O -q
has O.4 'my notes' "is kept"
: >O
gives 0 "an empty file" run b.jsonl -m nano -o O -q
nothing_kept "is not"
cp -R "$nano" other
sed 's/"rope_theta": *[0-9.]*/"rope_theta": 20000.0/' "$nano/config.json" \
    >other/config.json
if ! cmp -s "$nano/config.json" other/config.json; then
    gives 0 "another model" run b.jsonl -m other -o O -q
    kept O.5 "the answers of the first are kept"
    same O.5 b.want "as they were"
fi
rm -f O O.*
gives 0 "an output" run a.jsonl -m nano -o O -q
echo 'somebody else' >O.partial
gives 0 "and again" run a.jsonl -m nano -o O -q
has O.partial 'somebody else' "a file of that name that is not a part stays"
head -n 1 a.want >O.partial
gives 0 "and again" run a.jsonl -m nano -o O -q
[ ! -e O.partial ] && r=0 || r=1
report $r "a part of it goes"
head -n 2 a.want >O
gives 0 "over an incomplete output" export "$id" -o O
nothing_kept "of the same batch"
[ ! -e O.1 ] && r=0 || r=1
report $r "there is only the new one"
same O a.want "it is complete"

# ---- the input is never replaced -------------------------------------------
part=$(echo "spool/done/b$id"/part-0000.h5)
cp a.jsonl a.before
ln -s a.jsonl a.link
never() { # FILE COMMAND...: not onto the file that it reads
    onto=$1
    shift
    gives 2 "$* onto itself" "$@" -o "$onto"
    has err 'is input and output, name another with -o$' "it says so"
}
never a.jsonl export a.jsonl
never a.link wait a.jsonl
never ./a.jsonl submit a.jsonl -m nano
never "$part" export "$part"
never "$part" run --from "$part"
same a.jsonl a.before "the requests are as they were"
[ -z "$(find . -name 'a.*.1' -o -name '*.h5.1')" ] && r=0 || r=1
report $r "under the same name"

# ---- models ------------------------------------------------------------------
gives 0 "a model" model convert "$nano" -o m.apus
cp m.apus first.apus
gives 0 "the same again" model convert "$nano" -o m.apus
[ ! -e m.apus.1 ] && r=0 || r=1
report $r "it is replaced"
gives 0 "another" model convert "$nano" -o m.apus --activations A8
has err '"m.apus" was another model: it is kept as "m.apus.1"' "is kept"
same m.apus.1 first.apus "as it was"
cmp -s m.apus first.apus && r=1 || r=0
report $r "and the new one is there"
echo notes >notes
gives 0 "over what is not a model" model convert "$nano" -o notes
has err '"notes" was no model: it is kept as "notes.1"' "is kept, too"

# ---- a file system without links ---------------------------------------------
if grep -q '^#define APUS_CRASH_TESTS 1' "$(dirname "$apus")/config.h"; then
    APUS_NO_LINKS=1
    export APUS_NO_LINKS
    rm -f O
    for i in 1 2; do
        echo "my notes $i" >O
        gives 0 "without links, time $i" export "$id" -o O
        kept O.$i "what was there is kept"
        has O.$i "my notes $i" "as it was"
        same O a.want "the answers are there"
    done
    unset APUS_NO_LINKS

    # ---- ended at each call, or a full disk there: it is never lost ----------
    for links in 1 0; do
        for how in APUS_CRASH APUS_ENOSPC; do
            calls=0
            first=1
            bad=
            while [ $first -ne 0 ] && [ $calls -lt 50 ]; do
                calls=$((calls + 1))
                rm -f O O.* .O*
                echo 'my notes' >O
                first=0
                env $how=$calls APUS_NO_LINKS=$((1 - links)) \
                    "$apus" export "$id" -o O >out 2>err || first=$?
                grep -qsx 'my notes' O O.1 &&
                    "$apus" export "$id" -o O >out 2>err &&
                    cmp -s O a.want && grep -qsx 'my notes' O.1 &&
                    [ ! -e O.2 ] || bad="$bad $calls"
            done
            [ -z "$bad" ] && [ $calls -gt 4 ] && [ $calls -lt 50 ] &&
                r=0 || r=1
            report $r "$how, links $links, $((calls - 1)) calls: it is kept$bad"
        done
    done
else
    n=$((n + 1))
    echo "ok $n - ended while a file is kept # SKIP no --enable-crash-tests"
fi
finish
