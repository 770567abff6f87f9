#!/bin/sh
# Put together what bench/gpu-kit needs on a machine that has a GPU and nothing
# else of ours: `make gpu-kit` calls it.
#
#   contrib/gpu-kit.sh DIR GPU ENGINE VECTORS BACKEND GROUPS APUS WORKER \
#       PART-INDEX
#
# DIR is made anew, with the eight programs, the vectors of X1 and models/nano;
# it stays under 64 MB.
set -eu
top=$(cd "$(dirname "$0")/.." && pwd)
[ $# = 9 ] || {
    sed -n '2,9s/^# *//p' "$0" >&2
    exit 2
}
dir=$1
rm -rf "$dir"
mkdir -p "$dir/bin" "$dir/vectors"
cp "$2" "$dir/bin/gpu"
cp "$3" "$dir/bin/engine"
cp "$4" "$dir/bin/vectors"
cp "$5" "$dir/bin/backend"
cp "$6" "$dir/bin/groups"
cp "$7" "$dir/bin/apus"
cp "$8" "$dir/bin/worker"
cp "$9" "$dir/bin/apus-part-index"
strip "$dir"/bin/* 2>/dev/null || :
cp -R "$top/vectors/x1/." "$dir/vectors/"
cp -R "$top/models/nano" "$dir/model"
cp "$top/bench/gpu-kit" "$dir/run"
cp "$top/bench/gpu-kit-kill" "$dir/kill"
chmod +x "$dir/run" "$dir/kill"
size=$(du -sk "$dir" | cut -f 1)
[ "$size" -lt 62500 ] || {
    echo "gpu-kit: $dir has $size KiB, which is over 64 MB" >&2
    exit 1
}
echo "gpu-kit: $dir, $size KiB: take it to a machine with a GPU, call run there"
