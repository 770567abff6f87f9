# Packages of npm for tests; sourced, with `set -eu` in force.  They come from a
# network, so only APUS_WITH_NPM=1 (contrib/check --with-npm) allows them: the
# test is skipped aloud without it, and where node or npm is missing.
#
#     npm_install DIR PACKAGE_JSON    what the package-lock.json beside it
#                                     names, in DIR, each with its hash; no
#                                     script of a package runs; else the test
#                                     is skipped
#     skip_all REASON
#
# Sets $top, $build and what tests/scratch.sh does.
#
# For another version: change package.json, then beside it
#     npm install --package-lock-only --ignore-scripts \
#         --omit-lockfile-registry-resolved
# and remove what has "://" in it, which nothing reads: a lock names no hosts.

top=$(cd "${top_srcdir:-.}" && pwd)
build=$(cd "${top_builddir:-.}" && pwd)

skip_all() { # REASON
    echo "1..0 # SKIP $1"
    exit 0
}
[ -n "${APUS_WITH_NPM:-}" ] ||
    skip_all "packages of npm are installed only with APUS_WITH_NPM=1"
# Nothing of it is compiled: once is enough.
if grep -q 'fsanitize' "$build/config.status" 2>/dev/null; then
    skip_all "this build is for sanitizers"
fi
command -v npm >/dev/null || skip_all "no npm"
command -v node >/dev/null || skip_all "no node"
. "$top/tests/scratch.sh"

# The settings are the user's; the cache would stay in his HOME.
npm_fetch() { # DIR
    (cd "$1" && timeout 240 npm ci --ignore-scripts --no-audit \
        --no-fund --fetch-retries=1 \
        --fetch-timeout=30000 --cache "$tmp/npm-cache" \
        --userconfig "${npm_config_userconfig:-$scratch_home/.npmrc}")
}

# Of tests that run at once one installs; a lock of the dead does not hold.
npm_install() { # DIR PACKAGE_JSON
    mkdir -p "$1"
    exec 9>"$1/lock"
    if command -v flock >/dev/null; then flock -w 300 9 || :; fi
    npm_lock=${2%/*}/package-lock.json
    if ! cmp -s "$npm_lock" "$1/installed.json"; then
        rm -rf "$1/node_modules" "$1/installed.json"
        cp "$2" "$1/package.json"
        cp "$npm_lock" "$1/package-lock.json"
        if ! npm_fetch "$1" >"$1/log" 2>&1; then
            sed 's/^/# /' "$1/log" | tail -n 5
            skip_all "npm cannot install what this needs"
        fi
        cp "$npm_lock" "$1/installed.json"
    fi
    exec 9>&-
}
