#!/bin/sh
# apus clean: what is old and done or sent goes, what came from AO and is not
# sent stays, and it says which.  The spool is made by hand, its ids are
# those of proof.md section 5 for the model 00 01 .. 1f.
# part: san
set -eu
. "${top_srcdir:-.}/tests/scenario.sh"
: >apus.conf
APUS_CONFIG=$tmp/apus.conf
APUS_SPOOL=$tmp/spool
export APUS_CONFIG APUS_SPOOL

lines() { # N NAME
    [ "$(wc -l <out)" -eq "$1" ] && r=0 || r=1
    report $r "$2"
}
there() { # PATH NAME
    [ -d "spool/$1" ] && r=0 || r=1
    report $r "$2"
}
gone() { # PATH NAME
    [ ! -e "spool/$1" ] && r=0 || r=1
    report $r "$2"
}

# H("apusbtch" || model || SHA-256) of the files "one\n", "two\n", "three\n"
model=AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8
one=2YdWxNhXjgmaXAHrwfZs8kT3kuIJlPSa1YVjX2EGA2g
one_hash=LIsI2lzmA5jh8Zrw5dzMdE3ydLgmq-WF6rpoxSVDSAY
two=syVWUkJzdklgqP473wnYvif-s7DH2J_KQf5B5-KcDXg
two_hash=J92O1EqD_5TVV_n9BBLtWoy8pp6gSSLYjAEYSgcwClo
three=9vhsYX_KMPoJCnWLdJ87DQK7IGDQZiSzYBv5dxSqZMI
three_hash=9pNpEhhEgfXt1MMEzifFoagngE_H8yn0PSc7hiGHB3Y

old() { # PATH
    touch -t 202001010000 "spool/$1"
}
batch() { # STATE ID HASH MORE
    mkdir -p "spool/$1/b$2/a000"
    echo log >"spool/$1/b$2/a000/0000.log"
    printf '{"format":"apus-batch-1","id":"%s","model":"%s",' "$2" "$model" \
        >"spool/$1/b$2/batch.json"
    printf '"sha256":"%s"%s}\n' "$3" "$4" >>"spool/$1/b$2/batch.json"
}
from_file() { # STATE ID HASH
    batch "$1" "$2" "$3" ',"from_ao":false,"requests":1,"source":"/x/y.jsonl"'
}
from_ao() { # STATE ID
    batch "$1" "$2" "$one_hash" ",\"from_ao\":true,\"process\":\"$model\",\
\"requests\":7"
}

# ---- misuse -------------------------------------------------------------
gives 2 "no age" clean
has err '\-\-older 30d' "it says what is missing"
for age in "" d 30 30m -1d 1.5d 030d " 30d" 99999999d; do
    gives 2 "age \"$age\"" clean --older "$age"
done
gives 2 "an argument" clean --older 30d x
[ ! -e spool ] && r=0 || r=1
report $r "and no spool was made"
gives 1 "no spool" clean --older 30d
mkdir -p spool/todo
gives 0 "an empty spool" clean --older 30d
lines 0 "has nothing to remove"

# ---- what goes and what stays -------------------------------------------
from_file done "$one" "$one_hash"
from_file done "$two" "$two_hash"
from_file todo "$three" "$three_hash"
ao_done=aaaaAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA
ao_sent=bbbbAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA
ao_new=ccccAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA
ao_sending=ddddAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA
from_ao done $ao_done
from_ao sent $ao_sent
from_ao sent $ao_new
from_ao sending $ao_sending
for b in done/b$one todo/b$three done/b$ao_done sent/b$ao_sent \
    sending/b$ao_sending; do
    old "$b"
done

gives 0 "a dry run" clean --older 30d --dry-run
lines 2 "tells of two"
has out "^would remove.$one.done.[0-9]*d.1./x/y.jsonl\$" "one from a file"
has out "^would remove.$ao_sent.sent.[0-9]*d.7.\$" "one that was sent"
has err "$ao_done came from AO and is not sent" "and why one stays"
there "done/b$one" "nothing is removed"

gives 0 "clean" clean --older 4w
lines 2 "tells of two"
has out "^removed.$one.done.[0-9]*d.1./x/y.jsonl\$" "one from a file"
has out "^removed.$ao_sent.sent.[0-9]*d.7.\$" "one that was sent"
has err "$ao_done came from AO and is not sent" "and why one stays"
has err "2 removed, 1 kept, 0 failed" "the last line"
gone "done/b$one" "the old one is gone"
gone "sent/b$ao_sent" "the sent one is gone"
there "done/b$ao_done" "what is not sent is there"
there "done/b$two" "what is new is there"
there "sent/b$ao_new" "what is new and sent is there"
there "todo/b$three" "what waits is there, however old"
there "done/b$ao_sending" "what nobody alive is sending is in done again"
[ -z "$(ls -A spool/tmp)" ] && r=0 || r=1
report $r "nothing is left in tmp"
gives 0 "once more" clean --older 30d
lines 0 "removes nothing"

# ---- what cannot be judged ----------------------------------------------
echo '{' >"spool/done/b$two/batch.json"
from_file done "$one" "$one_hash"
old "done/b$two"
old "done/b$one"
gives 1 "a batch.json that cannot be read" clean --older 720h
has err "b$two/batch.json" "it is named"
there "done/b$two" "its batch stays"
gone "done/b$one" "another goes all the same"
from_file sent "$one" "$one_hash"
from_file done "$one" "$one_hash"
old "sent/b$one"
old "done/b$one"
gives 1 "a batch in two states" clean --older 30d
has err "in both" "it says so"
there "done/b$one" "both stay"
mkdir elsewhere
ln -s ../../elsewhere "spool/sent/b$three"
gives 1 "with a link" clean --older 30d
there "sent/b$three" "the link is left alone"
rm -rf spool/done
ln -s sent spool/done
gives 1 "a state that is a link" clean --older 30d
has err 'spool/done' "it is named"

finish
