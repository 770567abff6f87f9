# The real module of AO for tests; sourced.  Sets $aos, a directory with the
# packages of tests/aos-run/package.json and its scripts, or skips aloud.  It
# is made once for a build (245 MB) and shared by its tests.
#
#     aos_node SCRIPT ARGUMENT...   run one of tests/aos-run
#     aos_net_up                    a messenger and compute unit: $ao is where
#     aos_net_down                  end it

. "${top_srcdir:-.}/tests/npm.sh"
node -e 'process.exit(+process.versions.node.split(".")[0] < 20 ? 1 : 0)' ||
    skip_all "node $(node --version) is older than 20"
aos=${APUS_NPM:-$build/tests/npm-aos}
npm_install "$aos" "$top/tests/aos-run/package.json"
for script in "$top"/tests/aos-run/*.mjs "$top"/tests/aos-run/*.lua; do
    to=$aos/${script##*/}
    cmp -s "$script" "$to" || { cp "$script" "$to.$$"; mv "$to.$$" "$to"; }
done

aos_node() { # SCRIPT ARGUMENT...
    script=$aos/$1
    shift
    node --experimental-wasm-memory64 --no-warnings "$script" "$@"
}

ao=
aos_job=
aos_net_up() {
    : >aos.out
    node --experimental-wasm-memory64 --no-warnings "$aos/aos-net.mjs" \
        >aos.out 2>aos.err &
    aos_job=$!
    for i in $(seq 3000); do
        ao=$(sed -n 's/^ready //p' aos.out)
        [ -z "$ao" ] || return 0
        kill -0 "$aos_job" 2>/dev/null || break
        sleep 0.1
    done
    sed 's/^/# /' aos.err
    return 1
}
aos_net_down() {
    [ -z "$aos_job" ] || kill "$aos_job" 2>/dev/null || :
    aos_job=
}
