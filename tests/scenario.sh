# What scenarios of the built program share; sourced, with `set -eu` in force.
# It goes to a folder of its own (tests/scratch.sh) and keeps the machine's own
# settings out; $long (the long form is wanted) and $seed (of what is left to
# chance) come from APUS_LONG and APUS_SEED.  A scenario ends with `finish`.

top=$(cd "${top_srcdir:-.}" && pwd)
apus=$(cd "${top_builddir:-.}" && pwd)/apus
if [ ! -x "$apus" ]; then
    echo "1..0 # SKIP apus is not built"
    exit 0
fi

. "$top/tests/scratch.sh"
cd "$tmp"
long=${APUS_LONG:+1}
seed=${APUS_SEED:-$$}
for v in $(env | sed -n 's/^\(APUS_[A-Z_]*\)=.*/\1/p'); do
    case $v in
    APUS_CONFIG | APUS_TEST_DATA | APUS_LONG | APUS_NPM | APUS_WITH_NPM) ;;
    *) unset "$v" ;;
    esac
done

# Slurm's programs may be installed here, and what they say would count
APUS_LAUNCHER=local
export APUS_LAUNCHER

. "$top/tests/report.sh"
# Run it; its exit status must be the first word. Output is in out and err.
gives() { # STATUS NAME ARGUMENT...
    want=$1
    name=$2
    shift 2
    got=0
    "$apus" "$@" >out 2>err || got=$?
    [ "$got" -eq "$want" ] && r=0 || r=1
    report $r "$name: exit status $want"
}
# What was printed has this line.
has() { # FILE PATTERN NAME
    grep -q -e "$2" "$1" && r=0 || r=1
    report $r "$3"
}
# Two files are the same.
same() { # FILE FILE NAME
    cmp "$1" "$2" >cmp.out 2>&1 && r=0 || r=1
    report $r "$3"
}
finish() {
    echo "1..$n"
    exit $failed
}
