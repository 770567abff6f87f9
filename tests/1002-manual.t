#!/bin/sh
# The manual and --help agree: every command of `apus --help` has a page
# man/apus-COMMAND.1, and a command of a command a section there, which has each
# usage line of its --help as a line of its own and tells of every option.
set -eu
man=${top_srcdir:-.}/man
apus=${top_builddir:-.}/apus

if [ ! -x "$apus" ]; then
    echo "1..0 # SKIP apus is not built"
    exit 0
fi
n=0
failed=0
ok() { # NAME, after a test whose status is in $good
    n=$((n + 1))
    if [ "$good" = yes ]; then
        echo "ok $n - $1"
    else
        echo "not ok $n - $1"
        failed=1
    fi
}

. "${top_srcdir:-.}/tests/scratch.sh"

# its --help, asked for once
help_of() { # [COMMAND]
    # shellcheck disable=SC2086
    [ -e "$tmp/help $1" ] || "$apus" $1 --help >"$tmp/help $1"
    cat "$tmp/help $1"
}
# the commands that a help lists: indented by two, then what they do
commands_of() { # [COMMAND]
    help_of "$1" | sed -n 's/^  \([a-z][a-z-]*\)  *.*/\1/p'
}
# words of the standard input with one blank between
words() { tr -s ' \n' '  ' | sed 's/ $//'; }

# its usage, one line each, without "usage:"
usage_of() { # COMMAND
    help_of "$1" |
        awk '/^usage: / { on = 1; line = substr($0, 8); next }
            !/^       / { if (on) print line; on = 0; exit }
            /^       apus / { print line; line = ""; }
            { sub(/^ */, ""); line = line (line == "" ? "" : " ") $0 }'
}

check_command() { # COMMAND
    c=$1
    page=$man/apus-${c%% *}.1
    good=no
    case $c in
    *' '*)
        s=${c#* }
        from="/^\.Ss $s\$/,/^\.S[sh] /{/^\.Ss $s\$/d;p;}"
        if grep -q "^\.Ss $s\$" "$page"; then good=yes; fi
        ;;
    *)
        from='/^\.Sh COMMANDS/q;p'
        if grep -q "^\.It Xr apus-$c 1\$" "$man/apus.1" && [ -f "$page" ]; then
            good=yes
        fi
        ;;
    esac
    ok "\"$c\" has its place in the manual"
    sed -n "$from" "$page" | sed 's/\\-/-/g; s/\\&//g' >"$tmp/section"
    words <"$tmp/section" >"$tmp/words"
    usage_of "$c" >"$tmp/usage"
    good=yes
    while read -r line; do
        grep -qF -e "$line" "$tmp/words" ||
            { good=no; echo "# --help has \"$line\""; }
    done <"$tmp/usage"
    [ -s "$tmp/usage" ] || { good=no; echo "# --help has no \"usage:\""; }
    ok "the synopsis of \"$c\" is that of its --help"

    good=yes
    for o in $(help_of "$c" | sed -n '/--help/d
        s/^  *\(-[a-zA-Z], \)*\(--[a-z0-9-]*\).*/\2/p'); do
        # in mdoc --name is "Fl -name"
        grep -q -e "Fl ${o#-}\$" -e "Fl ${o#-} " "$tmp/section" ||
            { good=no; echo "# no $o"; }
    done
    ok "every option of \"$c\" is in the manual"
}

commands=$(commands_of "")
# a program of its own, which not every build has
if "$apus" localnet --help 2>&1 >/dev/null | grep -q 'built without'; then
    commands=$(echo "$commands" | grep -vx localnet)
fi
good=no
[ -z "$commands" ] || good=yes
ok "apus --help lists commands"
for top in $commands; do
    check_command "$top"
    for sub in $(commands_of "$top"); do
        check_command "$top $sub"
    done
done

good=yes
for o in $("$apus" settings | sed -n 's/^\([a-z][a-z-]*\) = .*/\1/p'); do
    grep -qE "^\.It Ic ([a-z-]+ , )*$o( ,|\$)" "$man/apus.conf.5" ||
        { good=no; echo "# no setting $o"; }
done
ok "every setting is in apus.conf.5"

good=yes
for page in "$man"/apus-*.1; do
    grep -q '^\.Sh EXAMPLES$' "$page" || { good=no; echo "# $page"; }
done
ok "every page of a command has examples"

if command -v mandoc >/dev/null 2>&1; then
    good=yes
    for page in "$man"/*.[15]; do
        mandoc -T lint -W warning "$page" >"$tmp/lint" 2>&1 ||
            { good=no; sed 's/^/# /' "$tmp/lint"; }
    done
    ok "mandoc finds nothing wrong in the manuals"
else
    n=$((n + 1))
    echo "ok $n - mandoc finds nothing wrong in the manuals # SKIP no mandoc"
fi

echo "1..$n"
exit $failed
