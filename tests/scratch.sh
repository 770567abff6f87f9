# A test's own folder, $tmp; sourced with `set -eu` in force, a second time
# without effect.  TMPDIR, HOME and APUS_CONFIG are in it, so that nothing that
# a test starts leaves files elsewhere or reads the machine's settings.  The
# folder is removed at the end; with APUS_KEEP=1 it stays, and the test says
# where.
#
#     trap 'COMMAND; scratch_end' EXIT    in a test that has more to undo
#
# $scratch_home is the HOME of whoever runs the test.

[ -z "${scratch_home:-}" ] || return 0
scratch_home=${HOME:-/}
scratch_keep=${APUS_KEEP:-}
# short: a socket in it has a path of at most 107 bytes
tmp=$(mktemp -d "${TMPDIR:-/tmp}/apus-XXXXXX")
TMPDIR=$tmp
HOME=$tmp
# or else apus reads /etc/apus/apus.conf
APUS_CONFIG=$tmp/empty.conf
: >"$APUS_CONFIG"
export TMPDIR HOME APUS_CONFIG

scratch_end() {
    if [ -n "$scratch_keep" ]; then
        echo "# kept: $tmp"
    else
        rm -rf "$tmp"
    fi
}
trap scratch_end EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
