#!/bin/sh
# Prints a C header in which each of these Lua files is a text: src/x/y.lua is
# lua_y.
set -eu
echo "/* made by lua-text.sh */"
for file; do
    name=${file##*/}
    echo "static const char lua_${name%.lua}[] ="
    sed 's/\\/\\\\/g; s/"/\\"/g; s/^/    "/; s/$/\\n"/' "$file"
    echo "    ;"
done
