# X_AC_CUSIM
# The emulated device of tests/cusim, which runs the kernels of kernels/cuda on
# a CPU: HAVE_CUSIM, CUSIM_CXXFLAGS, x_cusim_says.
AC_DEFUN([X_AC_CUSIM], [
    AC_ARG_WITH([cusim],
        [AS_HELP_STRING([--with-cusim],
            [test the kernels for GPUs on an emulated device
             @<:@auto@:>@])],
        [], [with_cusim=auto])
    x_cusim=no
    x_cusim_says="no (not asked for)"
    CUSIM_CXXFLAGS="-std=c++17 -ffp-contract=off -Wall -Wextra"
    CUSIM_CXXFLAGS="$CUSIM_CXXFLAGS -Wno-unused-function"
    CUSIM_CXXFLAGS="$CUSIM_CXXFLAGS -Wno-unknown-pragmas"
    AS_IF([test "$enable_werror" = yes],
        [CUSIM_CXXFLAGS="$CUSIM_CXXFLAGS -Werror"])
    AS_IF([test "$with_cusim" != no], [
        AC_LANG_PUSH([C++])
        x_save_CXXFLAGS=$CXXFLAGS
        CXXFLAGS="$CXXFLAGS -std=c++17 -fsanitize=thread"
        AC_MSG_CHECKING([whether $CXX compiles for the emulated device])
        AC_COMPILE_IFELSE([AC_LANG_SOURCE([
                #if !defined(__x86_64__) && !defined(__aarch64__)
                #error "no switch of fibers for this processor"
                #endif
                #include <map>
                template <typename... T> int count(T...)
                {
                    return sizeof...(T);
                }
                static_assert(__cplusplus >= 201703);
            ])],
            [x_cusim=yes
             x_cusim_says="yes ($CXX)"],
            [x_cusim_says="no (no C++17 compiler: install g++)"])
        AC_MSG_RESULT([$x_cusim])
        CXXFLAGS=$x_save_CXXFLAGS
        AC_LANG_POP([C++])
    ])
    AS_IF([test "$with_cusim" = yes && test $x_cusim = no],
        [AC_MSG_ERROR([--with-cusim: $x_cusim_says])])
    AC_SUBST([CUSIM_CXXFLAGS])
    AM_CONDITIONAL([HAVE_CUSIM], [test $x_cusim = yes])
])
