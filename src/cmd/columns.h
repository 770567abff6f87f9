/*
 * A table for people: a line of heads, columns that line up, lines that fit
 * the terminal.  What is too long is cut and ends, or begins, in "..".
 */
#ifndef APUS_CMD_COLUMNS_H
#define APUS_CMD_COLUMNS_H

#include <stddef.h>

struct buf;

struct column {
    const char *head;
    size_t min;        /* characters that are left if it must be cut, if the
                        * width allows, at least 10; 0: it is never cut */
    enum column_side { COLUMN_LEFT, COLUMN_RIGHT, COLUMN_END } side;
                       /* lines up left or right; COLUMN_END: left, and of one
                        * that is cut the end is kept */
};

struct columns {
    const struct column *column;
    size_t n;
    char **cell;       /* row by row, n each */
    size_t n_cells, capacity;
};

/* The n columns live as long as the table. */
void columns_init(struct columns *c, const struct column *column, size_t n);
void columns_clear(struct columns *c);

/* Add the next cell of the current row; the text is UTF-8, and taken over
 * (free()). */
void columns_take(struct columns *c, char *text);

/* Append the table, no line wider than `width` where that is possible.  Where
 * lines are too wide the columns are cut from the first to the last. */
void columns_print(const struct columns *c, size_t width, struct buf *out);

/* Columns of the terminal that standard output is: what it says, COLUMNS in
 * the environment, 80.  0 if it is not a terminal. */
size_t columns_of_terminal(void);

#endif
