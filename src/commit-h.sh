#!/bin/sh
# commit-h.sh TOP_SRCDIR: print src/commit.h.  The commit is asked of git in a
# checkout, read from .commit in an unpacked release, else it is unknown.
set -eu
top=$1
commit=
if [ -e "$top/.git" ]; then
    commit=$(GIT_OPTIONAL_LOCKS=0 git -C "$top" describe --always --dirty \
        --abbrev=12 --exclude='*' 2>/dev/null) || commit=
elif [ -f "$top/.commit" ]; then
    read -r commit <"$top/.commit" || :
fi
case $commit in
*[!0-9a-z-]*) commit= ;;
esac
cat <<TXT
/* made by src/commit-h.sh */
#ifndef APUS_COMMIT_H
#define APUS_COMMIT_H

#define APUS_COMMIT "${commit:-unknown}"

#endif
TXT
