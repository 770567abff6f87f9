# What tests of modules of AO with nano inside share; sourced, with `set -eu` in
# force.  $modules has what `make module` built, $loader the loader of ao's
# compute units and the programs of tests/ao-module, `drive` runs one of them.
# Then it is as tests/scenario.sh.  Needs APUS_WITH_NPM=1 (tests/npm.sh).

. "${top_srcdir:-.}/tests/npm.sh"
for modules in "$build/module" "$build/../module" ''; do
    [ ! -f "$modules/apus-simd-nano.wasm" ] ||
        [ ! -f "$modules/apus-plain-nano.wasm" ] || break
done
[ "$modules" ] || skip_all "no modules: make module"
loader=$build/tests/npm-ao-module
npm_install "$loader" "$top/tests/ao-module/package.json"
cp "$top"/tests/ao-module/*.mjs "$loader"
. "$top/tests/scenario.sh"
: >apus.conf
APUS_CONFIG=$tmp/apus.conf
APUS_MODELS=$tmp/models
APUS_SPOOL=$tmp/spool
export APUS_CONFIG APUS_MODELS APUS_SPOOL

metered=wasm32-unknown-emscripten-metering
unmetered=wasm32-unknown-emscripten4
drive() { # PROGRAM VARIANT FORMAT ARGUMENT...: with nano inside
    drive_program=$1 drive_wasm=$modules/apus-$2-nano.wasm
    shift 2
    node --experimental-wasm-memory64 --no-warnings \
        "$loader/$drive_program.mjs" "$drive_wasm" "$@"
}

# The records that nano's answers have by apus run: of each line of FILE its
# request id to FILE.ids, and to the file shown that, job, trace and result.
records() { # FILE
    gives 0 "nano answers" run "$1" -m "$top/models/nano"
    batch=$(basename spool/done/b*)
    batch=${batch#b}
    sed -n 's/^{"id":"batch_req_\([^"]*\)".*/\1/p' "${1%.jsonl}.out.jsonl" \
        >"$1.ids"
    while read -r id; do
        "$apus" show "$batch" --request "$id" >out 2>err || :
        printf '%s\t%s\t%s\t%s\n' "$id" \
            "$(sed -n 's/^job\t//p' out)" "$(sed -n 's/^trace\t//p' out)" \
            "$(sed -n 's/^result\t//p' out)"
    done <"$1.ids" >shown
    [ "$(grep -c '[0-9a-f]\{64\}' shown)" -eq "$(wc -l <"$1")" ] &&
        r=0 || r=1
    report $r "apus run has a record for each line"
}
