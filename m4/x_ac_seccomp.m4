# X_AC_SECCOMP
# libseccomp for the helper apus-part-index alone: HAVE_SECCOMP,
# SECCOMP_CFLAGS, SECCOMP_LIBS, x_seccomp_says.
AC_DEFUN([X_AC_SECCOMP], [
    AC_ARG_WITH([seccomp],
        [AS_HELP_STRING([--with-seccomp],
            [filter the system calls of what parses parts @<:@auto@:>@])],
        [], [with_seccomp=auto])
    x_seccomp=no
    x_seccomp_says="no (not asked for)"
    AS_IF([test "$with_seccomp" != no], [
        PKG_CHECK_MODULES([SECCOMP], [libseccomp >= 2.3],
            [x_seccomp=yes
             x_seccomp_says="yes ($SECCOMP_LIBS)"],
            [x_seccomp_says="no (install libseccomp-dev)"])
    ])
    AS_IF([test "$with_seccomp" = yes && test $x_seccomp = no],
        [AC_MSG_ERROR([--with-seccomp: $x_seccomp_says])])
    AS_IF([test $x_seccomp = yes],
        [AC_DEFINE([HAVE_SECCOMP], [1], [system calls are filtered])],
        [SECCOMP_CFLAGS= SECCOMP_LIBS=])
    AC_SUBST([SECCOMP_CFLAGS])
    AC_SUBST([SECCOMP_LIBS])
])
