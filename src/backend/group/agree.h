/*
 * Whether all members of a group (engine/group.h) have done what the first one
 * ordered, which each tells the others with its reason, if it has not.  The
 * group goes on afterwards.
 */
#ifndef APUS_BACKEND_GROUP_AGREE_H
#define APUS_BACKEND_GROUP_AGREE_H

struct err;
struct group;

enum agreed {
    AGREED_BROKEN = -1, /* the exchange failed, and the group is over */
    AGREED_WELL,        /* all members are well */
    AGREED_FAILED       /* one is not, or several */
};

/* `mine` has the reason of this member, or ERR_NONE.  Members may take
 * differently long until they come here (the group's barrier).  Unless all are
 * well `err` gets this member's own reason, else that of the first one which
 * has any, after its name. */
enum agreed agree(const struct group *g, const struct err *mine,
                  struct err *err);

#endif
