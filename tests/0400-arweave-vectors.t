#!/bin/sh
# Every vector of vectors/arweave, made by other software (needs
# tests/arweave-vectors).
# part: san
set -eu
exec "${top_builddir:-.}/tests/arweave-vectors" \
    "${top_srcdir:-.}/vectors/arweave"
