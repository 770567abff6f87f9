#!/bin/sh
# The recipe of the image: its %setup copies nothing that was built, and (with
# APUS_LONG=1) its %post makes a fresh Debian answer requests on two ranks.
# Apptainer itself is not needed: the sections run by hand.
set -eu
. "${top_srcdir:-.}/tests/scratch.sh"
top=$(cd "${top_srcdir:-.}" && pwd)
cd "$tmp"
n=0
failed=0
ok() { # NAME, after a test whose status is in $good
    n=$((n + 1))
    if [ "$good" = yes ]; then
        echo "ok $n - $1"
    else
        echo "not ok $n - $1"
        failed=1
    fi
}
skip() { # NAME WHY
    n=$((n + 1))
    echo "ok $n - $1 # SKIP $2"
}
# the lines of a section of the recipe
section() { # NAME
    sed -n "/^%$1\$/,/^%/{/^%/d;p;}" "$top/contrib/apus.def"
}

# ---- %setup: of a tree in which somebody worked ------------------------------
section setup >setup.sh
section post >post.sh
good=yes
for s in setup post environment runscript test; do
    [ -n "$(section $s)" ] || good=no
done
sh -n setup.sh && sh -n post.sh || good=no
ok "the recipe has its sections"

mkdir -p tree/src tree/build tree/quickstart.d root
touch tree/configure.ac tree/src/a.c tree/src/a.o tree/config.status \
    tree/build/x tree/quickstart.d/y
(cd tree && APPTAINER_ROOTFS=$tmp/root sh -eu ../setup.sh)
good=yes
[ "$(cd root/src/apus && find . -type f | sort | tr '\n' ' ')" = \
    './configure.ac ./src/a.c ' ] || good=no
ok "a release is copied without what was built in it"

if command -v git >/dev/null; then
    rm -rf root tree/.git
    (cd tree && git init -q . && git add configure.ac src/a.c &&
        git -c user.name=x -c user.email=x@x.invalid commit -qm x)
    (cd tree && APPTAINER_ROOTFS=$tmp/root sh -eu ../setup.sh)
    good=yes
    [ "$(cd root/src/apus && find . -type f | sort | tr '\n' ' ')" = \
        './configure.ac ./src/a.c ' ] || good=no
    ok "of a repository what is committed is copied"
else
    skip "of a repository what is committed is copied" "no git"
fi

# ---- %post, in a fresh Debian ------------------------------------------------
what="a fresh Debian answers requests on two ranks"
if [ -z "${APUS_LONG:-}" ]; then
    skip "$what" "APUS_LONG is not set"
elif [ "$(id -u)" != 0 ] || ! command -v mmdebstrap >/dev/null; then
    skip "$what" "it needs root and mmdebstrap"
else
    good=no
    log=image.log
    # in a mount namespace of its own, so that no mount outlives it
    inside() {
        unshare --mount sh -c 'mount -t proc proc root/proc &&
            mount --bind /dev root/dev && exec chroot root "$@"' sh env -i \
            PATH=/usr/local/bin:/usr/bin:/usr/sbin:/bin:/sbin HOME=/root \
            LC_ALL=C.UTF-8 "$@"
    }
    rm -rf root
    if mmdebstrap --variant=minbase bookworm root >$log 2>&1 &&
        (cd "$top" && APPTAINER_ROOTFS=$tmp/root sh -eu "$tmp/setup.sh") &&
        cp -L /etc/resolv.conf root/etc/resolv.conf &&
        cp -r "$top/models/nano" root/root/nano &&
        head -n 40 "$top/models/nano/eval.jsonl" >root/root/q.jsonl &&
        cp post.sh root/root/ && section environment >root/root/run.sh &&
        echo 'apus run /root/q.jsonl -m /root/nano --ranks 2' \
            >>root/root/run.sh &&
        inside sh -eux /root/post.sh >>$log 2>&1 </dev/null &&
        [ ! -e root/src ] &&
        inside sh -eu /root/run.sh >>$log 2>&1 </dev/null &&
        grep -q '2 ranks' $log &&
        [ "$(grep -c '"status_code":200' root/root/q.out.jsonl)" = 40 ]; then
        good=yes
    fi
    [ $good = yes ] || tail -n 30 $log | sed 's/^/# /'
    ok "$what"
fi
echo "1..$n"
exit $failed
