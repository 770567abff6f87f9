# What contrib/check installs on Debian, and why; sourced by it.
#
#     packages    say what of $needed and $useful, for $parts, is missing;
#                 install it unless $install is no; end the check where what is
#                 needed cannot be

needed='
gcc                compile
libc6-dev          compile
make               build
autoconf           make the configure script
automake           make the configure script
pkg-config         find the libraries
git                tell which commit is built
libssl-dev         compute SHA-256, sign and verify
libhdf5-dev        write checkpoints
libcurl4-openssl-dev  speak to gateways, bundlers and AO
'
useful='
libseccomp-dev     confine the program that opens checkpoints from others
libmicrohttpd-dev  build apus localnet, which the tests of the network use
liblua5.3-dev      run processes of AO in it
g++                run the kernels for GPUs on an emulated device
lua5.3             check what is written in Lua
erlang-luerl       run the judge of disputes in another Lua
libpcre2-dev       compare the pre-tokenizers with its regular expressions
python3-jinja2     compare chat templates with the program they are made for
ccache             compile the same once
unicode-data       compare the tables of characters with their source
ca-certificates    check whom it speaks to
openssl            make a certificate that nobody signed, which is refused
python3            make data for tests by other means than ours
clang              build with a second compiler
libopenmpi-dev     build apus-worker with MPI
openmpi-bin        run it on several ranks
procps             find the processes that a test is to kill
libslurm-dev       build apus-slurm
slurmctld          run a private Slurm for the test of jobs
slurmd             run its nodes
slurm-client       submit to it and ask it
slurm-wlm-basic-plugins  start its jobs, and ranks with PMIx
munge              sign what its parts say to each other
universal-ctags    measure functions
mandoc             check the manual
hdf5-tools         read a checkpoint with other programs
python3-numpy      make the vectors of X1 again
python3-h5py       read a checkpoint with other programs
netcdf-bin         read a checkpoint with other programs
python3-pandas     read a checkpoint with other programs
'

# what parts of --all need alone
case " $parts " in
*' san '* | *' tsan '* | *' fuzz '*) useful="$useful
libclang-rt-dev    run sanitizers and fuzz targets
llvm               name functions in reports of the sanitizers
" ;;
esac
case " $parts " in
*' arm '*) useful="$useful
gcc-aarch64-linux-gnu  build the kit for a second architecture
libc6-dev-arm64-cross  build the kit for a second architecture
qemu-user          run it
" ;;
esac
case "$whole $parts " in
yes*' module '*) useful="$useful
emscripten         build the engine as WebAssembly
nodejs             run it
" ;;
esac
[ -z "${APUS_LONG:-}" ] || useful="$useful
mmdebstrap         build the image of contrib/apus.def in a fresh Debian
"
[ -z "${APUS_WITH_NPM:-}" ] || useful="$useful
npm                run other implementations of Arweave and AO beside ours
"

missing_of() { # LIST: the packages that are not installed
    echo "$1" | while read -r package why; do
        [ -n "$package" ] || continue
        case $(dpkg-query -W -f '${db:Status-Abbrev}' "$package" \
            2>/dev/null) in
        ?i*) ;;
        *)
            # another package may provide it, as pkgconf and nodejs do
            case $package in
            pkg-config | nodejs | npm)
                command -v "$package" >/dev/null && continue ;;
            esac
            echo "$package" ;;
        esac
    done
}
reason() { echo "$needed$useful" | awk -v p="$1" '$1 == p {
    $1 = ""; print substr($0, 2) }'; }

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}
apt_install() { # PACKAGES...
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y \
        --no-install-recommends "$@"
}

packages() {
    if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null
    then
        say "not a Debian system: nothing is installed"
        return
    fi
    need=$(missing_of "$needed")
    use=$(missing_of "$useful")
    [ -n "$need$use" ] || return 0
    for p in $need $use; do
        say "missing: $p (to $(reason "$p"))"
    done
    if [ $install = no ]; then
        say "--no-install: continuing without them"
        return
    fi
    if [ "$(id -u)" != 0 ] && ! command -v sudo >/dev/null; then
        say "not root and no sudo: continuing without them"
        return
    fi
    say "installing them with apt-get"
    run apt as_root apt-get update
    if [ -n "$need" ]; then
        # shellcheck disable=SC2086
        run apt-needed apt_install $need
        if [ $status != 0 ]; then
            failed=$((failed + 1))
            show_end apt-needed
            finish
        fi
    fi
    for p in $use; do
        run "apt-$p" apt_install "$p"
        if [ $status != 0 ]; then
            say "cannot install $p: what needs it is skipped"
        fi
    done
}
