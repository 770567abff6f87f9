# X_AC_SLURM
# libslurm for the helper program apus-slurm alone: HAVE_SLURM, SLURM_LIBS,
# x_slurm_says.
AC_DEFUN([X_AC_SLURM], [
    AC_ARG_WITH([slurm],
        [AS_HELP_STRING([--with-slurm], [the helper apus-slurm @<:@auto@:>@])],
        [], [with_slurm=auto])
    x_slurm=no
    x_slurm_says="no (not asked for): no apus-slurm"
    AS_IF([test "$with_slurm" != no], [
        x_why="slurm/slurm.h not found"
        AC_CHECK_HEADER([slurm/slurm.h], [
            x_why="libslurm not found"
            AC_CHECK_LIB([slurm], [slurm_ping],
                [x_slurm=yes; SLURM_LIBS=-lslurm])])
        x_slurm_says="no ($x_why): no apus-slurm"
    ])
    AS_IF([test $x_slurm = yes], [x_slurm_says="yes ($SLURM_LIBS)"],
        [test "$with_slurm" = yes],
        [AC_MSG_ERROR([--with-slurm: $x_why; install libslurm-dev (Debian)])])
    AC_SUBST([SLURM_LIBS])
    AM_CONDITIONAL([HAVE_SLURM], [test $x_slurm = yes])
])
