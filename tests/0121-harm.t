#!/bin/sh
# Parts that were made to harm libhdf5: a byte of the metadata is another and
# the checksums fit.  No command dies of one, each says why once; the process
# that parses is found where it must be, and can do nothing but read.
# part: san
# part: all
set -eu
. "${top_srcdir:-.}/tests/scenario.sh"
. "$top/tests/slow.sh"
part=$(dirname "$apus")/tests/t_checkpoint
parser=$(dirname "$apus")/apus-part-index
export HOME="$tmp"

# refused NAME ARGS...: exit 1 or 3, and one line of error
refused() {
    name=$1
    shift
    got=0
    "$apus" "$@" >out 2>err || got=$?
    case $got in
    1 | 3) [ "$(wc -l <err)" = 1 ] && r=0 || r=1 ;;
    *) r=1 ;;
    esac
    report $r "$name: exit $got"
}

"$part" write good.h5 3 >out 2>&1 && r=0 || r=1
report $r "a part"
bad=0
refusals=0
# at the first three libhdf5 1.10.8 dies in a process of much else
for k in 4709 5542 6953 55 371 945 1235 2017 6333; do
    cp good.h5 harm.h5
    "$part" harm harm.h5 $k
    for what in verify show export; do
        got=0
        "$apus" $what harm.h5 --trust >out 2>err || got=$?
        case $got in
        0) ;;
        1 | 3)
            refusals=$((refusals + 1))
            [ "$(wc -l <err)" = 1 ] || bad=$((bad + 1)) ;;
        *)
            echo "# $what, byte $k: exit $got"
            bad=$((bad + 1)) ;;
        esac
    done
done
report $bad "no command dies of a byte of metadata ($refusals refusals)"
[ $refusals -gt 0 ] && r=0 || r=1
report $r "and some of them are refused"

# a byte of what describes a group or a dataset is damage, and is called so
headers=$(grep -abo OHDR good.h5 | cut -d: -f1)
bad=0
for at in $headers; do
    cp good.h5 hurt.h5
    printf '\252' | dd of=hurt.h5 bs=1 seek=$((at + 9)) conv=notrunc \
        2>/dev/null
    got=0
    "$apus" verify hurt.h5 --trust >out 2>err || got=$?
    case $got in
    0 | 1 | 3) ;;
    *) bad=$((bad + 1)) ;;
    esac
    if [ $got -eq 3 ] && ! grep -q 'damaged' out; then
        echo "# byte $((at + 9)): $(cat out)"
        bad=$((bad + 1))
    fi
done
[ "$(echo "$headers" | wc -l)" -gt 20 ] || bad=$((bad + 1))
report $bad "a header that is damaged is called damaged"

# ---- the process that parses ----------------------------------------------
"$parser" -- good.h5 <good.h5 2>&1 | cat >index
has index '^{"format":"apus-part-index-2","model_id":"' "it prints attributes"
"$part" index good.h5 >good.idx
tail -n +2 index | cmp - good.idx >out 2>&1 && r=0 || r=1
report $r "and the lines of an index"
cat good.h5 | "$parser" 2>&1 | cat >out
has out 'is not a regular file' "it reads files alone"
"$parser" --version >out
has out '^apus-part-index .*HDF5' "it says which library it has"
got=0
"$parser" some thing >out 2>err || got=$?
[ $got = 2 ] && r=0 || r=1
report $r "a misuse is one"

mkdir libexec
APUS_LIBEXEC=$tmp/libexec
export APUS_LIBEXEC
refused "without it" verify good.h5 --trust
has err 'apus-part-index.*install it, or name its directory' "which says why"
printf '#!/bin/sh\nkill -SEGV $$\n' >libexec/apus-part-index
chmod +x libexec/apus-part-index
refused "it dies" verify good.h5 --trust
has err 'died while parsing it' "which is said"
[ $got = 1 ] && r=0 || r=1
report $r "and is not a verdict"
unset APUS_LIBEXEC

# beside the program, or where both were installed
mkdir bin
cp "$apus" bin/apus
cp "$parser" bin/apus-part-index
got=0
bin/apus verify good.h5 --trust >out 2>err || got=$?
[ $got = 3 ] || [ $got = 0 ] && r=0 || r=1
report $r "it is found beside the program"
mv bin/apus-part-index libexec/apus-part-index
got=0
bin/apus verify good.h5 --trust >out 2>err || got=$?
[ $got = 3 ] || [ $got = 0 ] && r=0 || r=1
report $r "or in libexec of an installation that was moved"
finish
