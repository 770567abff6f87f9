# X_AC_CUDA
# What runs on a GPU: HAVE_CUDA, NVCC, NVCCFLAGS, CUDA_LIBS, x_cuda_says.
AC_DEFUN([X_AC_CUDA], [
    AC_ARG_WITH([cuda],
        [AS_HELP_STRING([--with-cuda], [kernels for GPUs @<:@auto@:>@])],
        [], [with_cuda=auto])
    AC_ARG_VAR([NVCC], [the CUDA compiler])
    AC_ARG_VAR([NVCCFLAGS], [flags for it, such as -gencode=...])
    x_cuda=no
    x_cuda_says="no (not asked for): no kernels for GPUs"
    AS_IF([test "$with_cuda" != no], [
        AC_PATH_PROG([NVCC], [nvcc], [], [$PATH:/usr/local/cuda/bin])
        x_why="nvcc not found"
        AS_IF([test -n "$NVCC"], [
            x_cuda_top=`AS_DIRNAME(["$NVCC"])`
            x_cuda_top=`AS_DIRNAME(["$x_cuda_top"])`
            x_why="libcudart_static not found beside $NVCC"
            for x_dir in lib64 lib targets/x86_64-linux/lib; do
                AS_IF([test $x_cuda = no &&
                       test -f "$x_cuda_top/$x_dir/libcudart_static.a"], [
                    CUDA_LIBS="-L$x_cuda_top/$x_dir -lcudart_static"
                    CUDA_LIBS="$CUDA_LIBS -lstdc++ -ldl -lrt -lpthread"
                    x_cuda=yes])
            done
            AS_IF([test $x_cuda = no &&
                   test -f /usr/lib/x86_64-linux-gnu/libcudart_static.a], [
                CUDA_LIBS="-lcudart_static -lstdc++ -ldl -lrt -lpthread"
                x_cuda=yes])
        ])
        AS_IF([test $x_cuda = yes], [
            AC_MSG_CHECKING([whether $NVCC compiles])
            AS_ECHO(["__global__ void f(int *p) { *p = 1; }"]) >conftest.cu
            AS_IF([$NVCC $NVCCFLAGS -c -o conftest.o conftest.cu \
                   >&AS_MESSAGE_LOG_FD 2>&1],
                [AC_MSG_RESULT([yes])],
                [AC_MSG_RESULT([no])
                 x_cuda=no
                 x_why="$NVCC does not compile: config.log"])
            rm -f conftest.cu conftest.o])
        x_cuda_says="no ($x_why): no kernels for GPUs"
    ])
    # a quarter of the size; drivers for CUDA 13 unpack it, older may not
    AS_IF([test $x_cuda = yes && test -z "${NVCCFLAGS+set}"], [
        AC_MSG_CHECKING([whether $NVCC packs what it makes])
        x_pack=--compress-mode=size
        AS_ECHO(["#if __CUDACC_VER_MAJOR__ < 13"]) >conftest.cu
        AS_ECHO(["#error"]) >>conftest.cu
        AS_ECHO(["#endif"]) >>conftest.cu
        AS_IF([$NVCC $x_pack -c -o conftest.o conftest.cu \
               >&AS_MESSAGE_LOG_FD 2>&1],
            [AC_MSG_RESULT([yes])],
            [AC_MSG_RESULT([no])
             x_pack=])
        rm -f conftest.cu conftest.o])
    AS_IF([test $x_cuda = yes], [
        AC_DEFINE([HAVE_CUDA], [1], [kernels for GPUs are built])
        : "${NVCCFLAGS=-O3 -gencode=arch=compute_80,code=sm_80 dnl
-gencode=arch=compute_90,code=sm_90 dnl
-gencode=arch=compute_90,code=compute_90${x_pack:+ $x_pack}}"
        x_cuda_says="yes ($NVCC): kernel = cuda"],
        [test "$with_cuda" = yes],
        [AC_MSG_ERROR([--with-cuda: $x_why])],
        [CUDA_LIBS=])
    AC_SUBST([CUDA_LIBS])
    AM_CONDITIONAL([HAVE_CUDA], [test $x_cuda = yes])
])
