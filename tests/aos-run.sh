# The real module of AO for tests; sourced.  Sets $aos, a directory with the
# packages of tests/aos-run/package.json and its scripts, or skips aloud.  It
# is made once for a build (245 MB) and shared by its tests.
#
#     aos_node SCRIPT ARGUMENT...   run one of tests/aos-run
#     aos_net_up                    a messenger and compute unit: $ao is where
#     aos_net_down                  end it

top=$(cd "${top_srcdir:-.}" && pwd)
build=$(cd "${top_builddir:-.}" && pwd)
aos=${APUS_NPM:-$build/tests/npm-aos}

skip_all() { # REASON
    echo "1..0 # SKIP $1"
    exit 0
}
[ -z "${APUS_NO_NPM:-}" ] || skip_all "APUS_NO_NPM is set"
# Nothing of it is compiled: once is enough.
if grep -q 'fsanitize' "$build/config.status" 2>/dev/null; then
    skip_all "this build is for sanitizers"
fi
command -v npm >/dev/null || skip_all "no npm"
command -v node >/dev/null || skip_all "no node"
node -e 'process.exit(+process.versions.node.split(".")[0] < 20 ? 1 : 0)' ||
    skip_all "node $(node --version) is older than 20"

aos_install() {
    from=$top/tests/aos-run/package.json
    if ! cmp -s "$from" "$aos/installed.json"; then
        rm -rf "$aos/node_modules" "$aos/installed.json"
        cp "$from" "$aos/package.json"
        (cd "$aos" && timeout 240 npm install --ignore-scripts --no-audit \
            --no-fund --no-package-lock --fetch-retries=1 \
            --fetch-timeout=30000) >"$aos/log" 2>&1 || return 1
        cp "$from" "$aos/installed.json"
    fi
    for script in "$top"/tests/aos-run/*.mjs; do
        to=$aos/${script##*/}
        cmp -s "$script" "$to" || { cp "$script" "$to.$$"; mv "$to.$$" "$to"; }
    done
}

# Of tests that run at once one installs; a lock of the dead does not hold.
mkdir -p "$aos"
exec 9>"$aos/lock"
if command -v flock >/dev/null; then flock -w 300 9 || :; fi
if ! aos_install; then
    sed 's/^/# /' "$aos/log" | tail -n 5
    skip_all "npm cannot install what this needs"
fi
exec 9>&-

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
    for i in $(seq 300); do
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
