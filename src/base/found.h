/*
 * How a search, or a step to the next of several, ended.  One
 * enum for all of them, since they have the same three ends; a function with
 * other ends has an enum of its module.
 */
#ifndef APUS_BASE_FOUND_H
#define APUS_BASE_FOUND_H

/* Compared by name.  FOUND_FAILED is -1, so that such a function can return
 * what err_set() does. */
enum found {
    FOUND_FAILED = -1, /* err says why */
    FOUND_NONE,        /* there is none, or no more; err is untouched */
    FOUND_ONE
};

#endif
