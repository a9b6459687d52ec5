/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside of lib/config: the table of keys, and what passes between reading, checking and telling.
 */
#ifndef CONFIG_SCHEMA_H
#define CONFIG_SCHEMA_H

#include "config/config.h"

enum key_type {
	KEY_BOOL,
	KEY_INT, /* long */
	KEY_NUM, /* double */
	KEY_STR,
	KEY_LIST, /* comma-separated string, or a YAML sequence */
};

enum key_kind {
	KEY_USED, /* has a field */
	KEY_IGNORED, /* cannot change the result here: accepted, named in one note */
	KEY_MISSING, /* would change the result: only its default is accepted */
};

enum { OPEN_MIN = 1, OPEN_MAX = 2 };

struct key {
	const char *name; /* IGNORED: may end in '*', a family */
	enum key_kind kind;
	enum key_type type;
	unsigned uses; /* bits of enum config_use; IGNORED: 0 */
	const char *preset; /* the default as YAML would say it; NULL: null */
	double min, max; /* 0, 0: no range */
	unsigned open; /* OPEN_MIN, OPEN_MAX: the bound itself is not allowed */
	bool may_be_empty; /* text: "" says something */
	bool may_be_null; /* text: null says something, too: "null" */
	bool may_be_switch; /* text: a plain true or false says something: "true", "false" */
	const char *choices; /* "a b c"; of a list: of its items; NULL: any text */
	const char *later; /* known choices that are not implemented */
	size_t off; /* USED: offsetof(struct config, ...) */
	const char *help; /* one sentence; IGNORED: why it has no effect */
};

extern const struct key config_keys[];
extern const size_t config_n_keys;

/* NULL if there is none; families match by their beginning. */
const struct key *config_key(const char *name);

/* One "key: value" of a file or the command line. Strings stand as long as the arena. */
struct entry {
	const char *file;
	const char *key, *value; /* value of a sequence: joined by commas */
	bool quoted, sequence; /* else a plain scalar */
	long line, column; /* of the key */
	long value_line, value_column;
};

struct problem {
	const char *file;
	long line, column;
	size_t order; /* of being found */
	char *text;
};

struct problems {
	struct problem *v;
	size_t n;
};

void problem_add(struct problems *ps, const char *file, long line, long column, const char *fmt,
		 ...) __attribute__((format(printf, 5, 6)));
/* A line each, in the order of the file, the command line last; frees ps. Returns their number. */
size_t problems_tell(struct problems *ps, struct buf *out);

struct entries {
	struct entry *v; /* heap */
	size_t n;
};

/*
 * The entries of a YAML text: one flat map of scalars and sequences of scalars. What it may not
 * hold (a nested map, an anchor, a tag, a second document, a key twice ...) goes to ps.
 */
void yaml_read(const unsigned char *text, size_t n, const char *file, struct arena *arena,
	       struct entries *es, struct problems *ps);

/* The plain scalars that mean null. */
bool entry_is_null(const struct entry *e);
/* Check e against k; if it is right, a KEY_USED is stored in *c (which e must outlive). */
void value_store(struct config *c, const struct key *k, const struct entry *e, struct problems *ps);
/* Set the field to k's default. */
void value_preset(struct config *c, const struct key *k);

/* What depends on several keys; at[] holds the entry of each row, or NULL. */
void config_cross_check(struct config *c, enum config_use use, const struct entry *const *at,
			struct problems *ps, struct buf *notes);

/* The key or choice that was meant by name, or NULL. */
const char *suggest_key(const char *name);
const char *suggest_choice(const char *name, const char *choices, char *item, size_t cap);
/* name fit for a message: cut at 60 bytes, control characters replaced; from the arena. */
const char *shown(struct arena *arena, const char *name);

#endif
