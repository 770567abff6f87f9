# X_AC_EXACT_ARITHMETIC
# Refuse a compiler that, with the flags of the build, contracts a*b+c,
# reassociates, flushes subnormals or computes in a wider format.
AC_DEFUN([X_AC_EXACT_ARITHMETIC], [
    AC_MSG_CHECKING([whether floating point is exact (IEEE 754 as written)])
    x_exact_save=$CFLAGS
    CFLAGS="$EXACT_CFLAGS $CFLAGS"
    AC_RUN_IFELSE([AC_LANG_SOURCE([[
#include <float.h>
#ifdef __FAST_MATH__
#error "fast-math"
#endif
/* 16 is 0 with a half type of its own (AVX512-FP16): float is float */
#if !defined FLT_EVAL_METHOD || \
    (FLT_EVAL_METHOD != 0 && FLT_EVAL_METHOD != 16)
#error "wider intermediate results"
#endif
/* 1: contraction, 2: subnormals are flushed, 3: reassociation */
static volatile float f[8] = {
    1 + 0x1p-13f, 1 - 0x1p-13f, -1, 0x1p-126f, 0.5f, 1, 0x1p25f
};
static volatile double d[3] = { 1 + 0x1p-30, 1 - 0x1p-30, -1 };
int main(void)
{
    float sub, big;

    f[7] = f[0] * f[1] + f[2];
    d[0] = d[0] * d[1] + d[2];
    if (f[7] != 0 || d[0] != 0)
        return 1;
    sub = f[3] * f[4];
    f[7] = sub;
    if (!(f[7] > 0) || sub + sub != f[3])
        return 2;
    big = f[6];
    f[7] = (f[5] + big) - big;
    if (f[7] != 0)
        return 3;
    return 0;
}
]])],
        [AC_MSG_RESULT([yes])],
        [AC_MSG_RESULT([no])
         AC_MSG_ERROR([$CC $CFLAGS does not compute as IEEE 754 says
(contraction, fast-math, flushed subnormals or wider intermediate results).
The answers of apus must be the same bits everywhere: remove -ffast-math, -Ofast,
-funsafe-math-optimizations, -ffp-contract=fast and -mfpmath=387 from CFLAGS, or
use another compiler; config.log has the probe])],
        [AC_MSG_RESULT([not tried])
         AC_MSG_WARN([cross compiling: the self-test at start has to tell])])
    CFLAGS=$x_exact_save
])
