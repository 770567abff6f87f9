#!/bin/sh
# The vectors of doc/proof.md section 9, from second_hash.py, which was
# written from that page and shares no line with the library; and whatever
# t_records computes with the library, against it.
set -eu
top=${top_srcdir:-.}

if ! python3 -c 'import hashlib, struct' 2>/dev/null; then
    echo "1..0 # SKIP no python3"
    exit 0
fi
. "${top_srcdir:-.}/tests/scratch.sh"
n=0
failed=0
same() { # NAME FILE FILE
    n=$((n + 1))
    if diff "$2" "$3" >"$tmp/diff"; then
        echo "ok $n - $1"
    else
        sed 's/^/# /' "$tmp/diff"
        echo "not ok $n - $1"
        failed=1
    fi
}

cat >"$tmp/published" <<'TXT'
mth1 96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7
mth5 b855b42d6c30f5b087e05266783fbd6e394f7b926013ccaa67700a8b0c5a596f
blob 7a4c55ff8dc75e9b677e3e2853e46f6232e9b0fd06cdce9330aea4404562382e
job c029a2a49c2cc69d86691992d0132c5b2d7b64c015b62b8c8844dcccd1408d82
seed 2474695593990584554
line0 c348a299d1fcc392e7fd9935f3c1c1b566bc16efe56fa95e594b2b845e577983
line1 3381fd5e4a678b36786f295a7756927a6304dc8cfc1655fdff150e8c67a89f79
step a477270034924a37cd444ba9a55fc5349a307c19194df534a01708ae62f510c8
model 53fe079fea337d2a31b506e63d1ae3a23cc9155becee8575a60d95f6d1b456fa
row a72fc17d089d390a6c1daecfc3f5f6acd38d2dd120272b8f4e983c43b2a6a2dd
result 1ae1d84059645c81e5b3870c719a584128cc1203d4b17d3af1b7f09ea66db01c
result17 85cab3fe5293de8dbefc4121fa2e1a376d0af7da1408d20d155d981d42bd6587
statement 16017ed8561fd1f9cf03e830a0f2a5a0d0da4acd5d1cffb77d296f0e53314edf
TXT
python3 "$top/tests/second_hash.py" >"$tmp/second" ||
    echo failed >>"$tmp/second"
count=$(wc -l <"$tmp/published")
head -n "$count" "$tmp/second" >"$tmp/first"
same "second_hash.py gives the published vectors" "$tmp/published" "$tmp/first"

while read -r name value; do
    grep -q -w "$value" "$top/doc/proof.md" || echo "$name $value"
done <"$tmp/published" >"$tmp/absent"
same "doc/proof.md has them all" /dev/null "$tmp/absent"

# mth, blob, model and row are vectors of t_merkle
"${top_builddir:-.}/tests/t_records" >"$tmp/out" || :
"${top_builddir:-.}/tests/t_request_file" >>"$tmp/out" || :
sed -n 's/^# vector //p' "$tmp/out" | sort >"$tmp/ours"
grep -vE '^(mth1|mth5|blob|model|row) ' "$tmp/second" | sort >"$tmp/theirs"
same "t_records and t_request_file compute what second_hash.py does" \
    "$tmp/theirs" "$tmp/ours"

echo "1..$n"
exit $failed
