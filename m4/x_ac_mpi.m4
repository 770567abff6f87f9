# X_AC_MPI
# MPI for apus-worker alone: HAVE_MPI, MPI_CFLAGS, MPI_LIBS, x_mpi_says.
AC_DEFUN([X_AC_MPI], [
    AC_ARG_WITH([mpi],
        [AS_HELP_STRING([--with-mpi], [many ranks for apus-worker @<:@auto@:>@])],
        [], [with_mpi=auto])
    AC_ARG_VAR([MPICC], [the compiler wrapper of MPI])
    x_mpi=no
    x_mpi_says="no (not asked for): apus-worker will be one rank"
    AS_IF([test "$with_mpi" != no], [
        AC_CHECK_PROGS([MPICC], [mpicc])
        x_why="mpicc not found"
        AS_IF([test -n "$MPICC"], [
            x_why="$MPICC does not work"
            # Open MPI, then MPICH and its kin, then pkg-config
            AS_IF([MPI_CFLAGS=`$MPICC --showme:compile 2>/dev/null` &&
                   MPI_LIBS=`$MPICC --showme:link 2>/dev/null`], [x_mpi=yes],
                [MPI_CFLAGS=`$MPICC -compile_info 2>/dev/null` &&
                 MPI_LIBS=`$MPICC -link_info 2>/dev/null`], [
                # the first word is the compiler; -c and -o are none of ours
                MPI_CFLAGS=`AS_ECHO(["$MPI_CFLAGS"]) |
                    sed 's/^@<:@^ @:>@*//; s/ -c\b//'`
                MPI_LIBS=`AS_ECHO(["$MPI_LIBS"]) | sed 's/^@<:@^ @:>@*//'`
                x_mpi=yes])
        ])
        AS_IF([test $x_mpi = no], [
            PKG_CHECK_EXISTS([ompi-c], [
                MPI_CFLAGS=`$PKG_CONFIG --cflags ompi-c`
                MPI_LIBS=`$PKG_CONFIG --libs ompi-c`
                x_mpi=yes])])
        AS_IF([test $x_mpi = yes], [
            x_save_CFLAGS=$CFLAGS
            x_save_LIBS=$LIBS
            CFLAGS="$CFLAGS $MPI_CFLAGS"
            LIBS="$MPI_LIBS $LIBS"
            AC_MSG_CHECKING([whether MPI programs link])
            AC_LINK_IFELSE([AC_LANG_PROGRAM([[#include <mpi.h>]],
                [[return MPI_Init(0, 0);]])],
                [AC_MSG_RESULT([yes])],
                [AC_MSG_RESULT([no])
                 x_mpi=no
                 x_why="a program with mpi.h does not link"])
            CFLAGS=$x_save_CFLAGS
            LIBS=$x_save_LIBS])
        x_mpi_says="no ($x_why): apus-worker will be one rank"
    ])
    AS_IF([test $x_mpi = yes], [
        AC_DEFINE([HAVE_MPI], [1], [apus-worker is built with MPI])
        x_mpi_says="yes ($MPI_LIBS)"],
        [test "$with_mpi" = yes],
        [AC_MSG_ERROR([--with-mpi: $x_why; install libopenmpi-dev (Debian)])],
        [MPI_CFLAGS= MPI_LIBS=])
    AC_SUBST([MPI_CFLAGS])
    AC_SUBST([MPI_LIBS])
    AM_CONDITIONAL([HAVE_MPI], [test $x_mpi = yes])
])
