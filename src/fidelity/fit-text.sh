#!/bin/sh
# Prints a C header in which the text of a file is fit_text.  A string of C has
# to be short, so it is a list of bytes.
set -eu
echo "/* made by fit-text.sh */"
echo "static const unsigned char fit_text[] = {"
od -An -v -tu1 "$1" | sed 's/^ *//; s/  */, /g; s/$/,/'
echo "0 };"
