# How a script of tests reports; sourced by those that have their output in the
# files out and err.  At the end they print 1..$n and exit with $failed.

n=0
failed=0
: >out
: >err
report() { # STATUS NAME
    n=$((n + 1))
    if [ "$1" -eq 0 ]; then
        echo "ok $n - $2"
    else
        echo "not ok $n - $2"
        sed 's/^/# /' out err
        failed=1
    fi
}
