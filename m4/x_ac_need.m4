# X_AC_NEED(VARIABLE, MODULE, DEBIAN-PACKAGE)
# A library found by pkg-config, without which there is no apus.
AC_DEFUN([X_AC_NEED], [
    PKG_CHECK_MODULES([$1], [$2], [],
        [AC_MSG_ERROR([$2 is missing: install the package $3 (Debian)])])
])
