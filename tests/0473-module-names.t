#!/bin/sh
# What modules of AO import is among the names that the loader of ao's compute
# units has, what that needs of them is exported, and they are small.  Needs
# `make module`, and node; no package of npm.
set -eu
. "${top_srcdir:-.}/tests/scratch.sh"
top=$(cd "${top_srcdir:-.}" && pwd)
build=$(cd "${top_builddir:-.}" && pwd)
skip_all() { echo "1..0 # SKIP $1"; exit 0; }
command -v node >/dev/null || skip_all "no node"
for modules in "$build/module" "$build/../module" ''; do
    [ ! -d "$modules" ] ||
        ! ls "$modules"/apus-*.wasm >"$tmp/list" 2>/dev/null || break
done
[ "$modules" ] || skip_all "no modules: make module"
cd "$tmp"
. "$top/tests/report.sh"

# in the format wasm32-unknown-emscripten4 of @permaweb/ao-loader 0.0.49
sort >offered <<'TXT'
__assert_fail
__asyncjs__weavedrive_close
__asyncjs__weavedrive_open
__asyncjs__weavedrive_read
__cxa_throw
__syscall_chmod
__syscall_dup3
__syscall_faccessat
__syscall_fchmod
__syscall_fchown32
__syscall_fcntl64
__syscall_fstat64
__syscall_ftruncate64
__syscall_getcwd
__syscall_ioctl
__syscall_lstat64
__syscall_mkdirat
__syscall_newfstatat
__syscall_openat
__syscall_readlinkat
__syscall_renameat
__syscall_rmdir
__syscall_stat64
__syscall_unlinkat
__syscall_utimensat
_abort_js
_emscripten_get_now_is_monotonic
_emscripten_memcpy_js
_emscripten_system
_emscripten_throw_longjmp
_gmtime_js
_localtime_js
_mktime_js
_munmap_js
_tzset_js
emscripten_date_now
emscripten_get_heap_max
emscripten_get_now
emscripten_resize_heap
environ_get
environ_sizes_get
exit
fd_close
fd_fdstat_get
fd_read
fd_seek
fd_sync
fd_write
invoke_vii
metering_gasUsed
strftime
strftime_l
TXT
sort >needed <<'TXT'
__indirect_function_table table
__wasm_call_ctors function
_emscripten_stack_alloc function
_emscripten_stack_restore function
asyncify_get_state function
asyncify_start_rewind function
asyncify_start_unwind function
asyncify_stop_rewind function
asyncify_stop_unwind function
dynCall_vii function
emscripten_stack_get_base function
emscripten_stack_get_current function
emscripten_stack_get_end function
emscripten_stack_get_free function
emscripten_stack_init function
fflush function
free function
handle function
main function
malloc function
memory memory
sbrk function
setThrew function
TXT

# it gives the same names to both
from='env|wasi_snapshot_preview1'
lists() { # what of them is not offered or not there
    sed -nE "s/^import ($from) ([^ ]*) function\$/\2/p" names | sort >imported
    sed -n 's/^export //p' names | sort >exported
    { comm -23 imported offered
      grep '^import' names | grep -vE "^import ($from) [^ ]* function\$"
      comm -13 exported needed; } >wrong || :
}
model=0
[ ! -f "$modules/nano.apus" ] || model=$(wc -c <"$modules/nano.apus")
while read -r file; do
    name=$(basename "$file" .wasm)
    node "$top/tests/ao-module/names.mjs" "$file" >names 2>out &&
        [ -s names ] && r=0 || r=1
    report $r "$name is WebAssembly"
    lists
    cp wrong out
    [ ! -s wrong ] && [ "$(wc -l <imported)" -ge 10 ] && r=0 || r=1
    report $r "its $(wc -l <imported) imports are the loader's, and it exports \
what that needs"
    size=$(wc -c <"$file")
    case $name in
    *-nano)
        [ "$size" -lt 3000000 ] && r=0 || r=1
        report $r "with nano it has $size bytes, fewer than 3,000,000"
        size=$((size - model)) ;;
    esac
    [ "$model" = 0 ] || [ "$size" -lt 2000000 ] && r=0 || r=1
    report $r "without a model $size, fewer than 2,000,000"
done <list
echo "1..$n"
exit $failed
