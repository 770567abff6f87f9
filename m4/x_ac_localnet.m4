# X_AC_LOCALNET
# A small AO and Arweave on loopback: HAVE_LOCALNET, LOCALNET_CFLAGS,
# LOCALNET_LIBS, x_localnet_says.  Lua is 5.3 because AOS is.
AC_DEFUN([X_AC_LOCALNET], [
    AC_ARG_WITH([localnet],
        [AS_HELP_STRING([--with-localnet],
            [apus localnet, a small AO and Arweave here @<:@auto@:>@])],
        [], [with_localnet=auto])
    x_localnet=no
    x_localnet_says="no (not asked for)"
    AS_IF([test "$with_localnet" != no], [
        PKG_CHECK_EXISTS([lua5.3], [x_lua=lua5.3], [x_lua=lua-5.3])
        PKG_CHECK_MODULES([LOCALNET], [$x_lua libmicrohttpd >= 0.9.70],
            [x_localnet=yes
             x_localnet_says="yes (libmicrohttpd, Lua 5.3)"],
            [x_localnet_says="no (install libmicrohttpd-dev, liblua5.3-dev)"])
    ])
    AS_IF([test "$with_localnet" = yes && test $x_localnet = no],
        [AC_MSG_ERROR([--with-localnet: $x_localnet_says])])
    AS_IF([test $x_localnet = yes],
        [AC_DEFINE([HAVE_LOCALNET], [1], [apus localnet is built])],
        [LOCALNET_CFLAGS= LOCALNET_LIBS=])
    AM_CONDITIONAL([HAVE_LOCALNET], [test $x_localnet = yes])
])
