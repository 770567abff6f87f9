#!/bin/sh
# Every kind of part, read without libhdf5 (jsfive) and in a browser's form of
# it (h5wasm): the same values as h5py's.  Needs APUS_WITH_NPM=1 (tests/npm.sh).
set -eu
. "${top_srcdir:-.}/tests/npm.sh"
python=/usr/bin/python3
[ -x $python ] || python=python3
$python -c 'import h5py' 2>/dev/null || skip_all "no python3-h5py"
npm=$build/tests/npm-hdf5
npm_install "$npm" "$top/tests/hdf5-peer/package.json"
. "$top/tests/scenario.sh"
. "$top/tests/hdf5_parts.sh"
NODE_PATH=$npm/node_modules
export NODE_PATH
# modules are found beside the script alone
cp "$top/tests/hdf5-peer/h5wasm.mjs" "$npm/h5wasm.mjs"

for p in $parts; do
    $python "$top/tests/hdf5_values.py" "$p.h5" >want 2>err
    node "$top/tests/hdf5-peer/jsfive.cjs" "$p.h5" >got 2>err &&
        cmp want got >out 2>&1 && r=0 || r=1
    report $r "$p: jsfive"
    node "$npm/h5wasm.mjs" "$p.h5" >got 2>err &&
        cmp want got >out 2>&1 && r=0 || r=1
    report $r "$p: h5wasm"
done
finish
