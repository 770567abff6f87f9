#!/bin/sh
# apus model add URL, from a web server on this machine: a download that was cut
# is resumed, a SHA-256 is checked, and what comes is the same model as from the
# disk; what is no model leaves nothing behind.
# part: all
set -eu
. "${top_srcdir:-.}/tests/scenario.sh"
build=$(dirname "$apus")
for program in makegguf servefiles; do
    [ -x "$build/tests/$program" ] ||
        { echo "1..0 # SKIP tests/$program is not built"; exit 0; }
done
nano=$top/models/nano
: >apus.conf
APUS_CONFIG=$tmp/apus.conf
APUS_MODELS=$tmp/models
export APUS_CONFIG APUS_MODELS

mkdir site
"$build/tests/makegguf" "$nano" site/nano.gguf
size=$(wc -c <site/nano.gguf)
sum=$(sha256sum site/nano.gguf | cut -d ' ' -f 1)
mkfifo open
: >requests
"$build/tests/servefiles" site <open >>requests &
server=$!
trap 'kill $server 2>/dev/null || true; scratch_end' EXIT
exec 3>open
until [ -s requests ]; do sleep 0.05; done
url=$(head -n 1 requests)/org/model/resolve/main
# nothing of a download lies in the store
clean() {
    find models -name '*.gguf*' -o -name '*.part' >left
    [ ! -s left ] && r=0 || r=1
    report $r "$1: nothing is left ($(head -n 1 left))"
}

gives 0 "from the disk" model add site/nano.gguf here
id=$(cat out)
gives 0 "from the site" model add "$url/nano.gguf"
[ "$(cat out)" = "$id" ] && r=0 || r=1
report $r "is the same model"
gives 0 "has a name" model info nano
clean "whole"
rm -rf models

# ---- cut and resumed ---------------------------------------------------------
echo 100000 >site/cut
gives 75 "a download that is cut" model add "$url/nano.gguf?download=true" \
    mine --sha256 "$sum"
has err 'run it again' "says what to do"
gives 1 "which is not a model yet" model info mine
rm site/cut
: >requests
gives 0 "the same command again" model add "$url/nano.gguf?download=true" \
    mine --sha256 "$sum"
[ "$(cat out)" = "$id" ] && r=0 || r=1
report $r "makes the model"
grep '^GET' requests >gets
from=$(sed -n '1s/.* //p' gets)
[ "${from:-0}" -ge 100000 ] && [ "$from" -lt "$size" ] && r=0 || r=1
report $r "begins where it was cut: at ${from:-nothing} of $size"
clean "resumed"

# ---- another file than was meant ---------------------------------------------
rm -rf models
wrong=$(echo "$sum" | tr 0123456789abcdef 123456789abcdef0)
gives 1 "another SHA-256" model add "$url/nano.gguf" --sha256 "$wrong"
has err "SHA-256" "says so"
clean "another SHA-256"
gives 2 "half a SHA-256" model add "$url/nano.gguf" --sha256 "${sum%????}"
gives 2 "of a file on the disk" model add site/nano.gguf --sha256 "$sum"
gives 1 "no such file" model add "$url/none.gguf"
has err 'none.gguf' "names it"
clean "no such file"
printf '<!DOCTYPE html>\n<html>log in' >site/page.gguf
gives 1 "a web page" model add "$url/page.gguf"
has err 'web page' "says so"
head -c 60000 site/nano.gguf >site/short.gguf
gives 1 "a file that is cut on the site" model add "$url/short.gguf"
has err 'short.gguf' "names it"
[ "$("$apus" model list | wc -l)" -eq 0 ] && r=0 || r=1
report $r "no model came of it"

# ---- what lies beside safetensors --------------------------------------------
cp "$nano"/*.json "$nano/model.safetensors" site/
gives 0 "a directory" model add "$nano" here
id=$(cat out)
gives 0 "its weights on the site" model add "$url/model.safetensors" there
[ "$(cat out)" = "$id" ] && r=0 || r=1
report $r "are the same model, with tokenizer and config"
exec 3>&-
wait $server || true
finish
