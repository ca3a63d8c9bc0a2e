/* tests/unit/event/test_event_type.c — widths, names (Iceberg specification, "Primitive Types") and promotions ("Schema Evolution") of types; making and comparing relations. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "event/batch.h"
#include "event/change.h"

#define T(k) ((struct type){ .kind = TYPE_##k })
#define DEC(p, s) ((struct type){ .kind = TYPE_DECIMAL, .precision = (p), .scale = (s) })
#define LIST(k) ((struct type){ .kind = TYPE_LIST, .elem = TYPE_##k })

static void test_names_and_widths(void **state)
{
	static const struct {
		struct type type;
		const char *text;
		size_t width;
	} cases[] = {
		{ T(BOOL), "boolean", sizeof(uint8_t) },
		{ T(INT32), "int", sizeof(int32_t) },
		{ T(INT64), "long", sizeof(int64_t) },
		{ T(FLOAT32), "float", sizeof(float) },
		{ T(FLOAT64), "double", sizeof(double) },
		{ T(STRING), "string", sizeof(struct str) },
		{ T(BINARY), "binary", sizeof(struct str) },
		{ T(UUID), "uuid", 16 },
		{ T(DATE), "date", sizeof(int32_t) },
		{ T(TIME), "time", sizeof(int64_t) },
		{ T(TIMESTAMP), "timestamp", sizeof(int64_t) },
		{ T(TIMESTAMPTZ), "timestamptz", sizeof(int64_t) },
		{ DEC(1, 0), "decimal(1, 0)", sizeof(int64_t) },
		{ DEC(18, 18), "decimal(18, 18)", sizeof(int64_t) },
		{ DEC(19, 2), "decimal(19, 2)", sizeof(__int128) },
		{ DEC(38, 38), "decimal(38, 38)", sizeof(__int128) },
		{ LIST(STRING), "list<string>", sizeof(struct list_ref) },
		{ { .kind = TYPE_LIST, .elem = TYPE_DECIMAL, .precision = 38, .scale = 10 },
		  "list<decimal(38, 10)>",
		  sizeof(struct list_ref) },
		{ LIST(TIMESTAMPTZ), "list<timestamptz>", sizeof(struct list_ref) },
	};
	char buf[TYPE_TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		assert_string_equal(type_text(cases[i].type, buf), cases[i].text);
		assert_int_equal(type_width(cases[i].type), cases[i].width);
		for (size_t j = 0; j < sizeof cases / sizeof *cases; j++)
			assert_int_equal(type_eq(cases[i].type, cases[j].type), i == j);
	}
	assert_true(type_eq(type_elem(cases[17].type), DEC(38, 10)));
	assert_false(type_eq(DEC(10, 2), DEC(10, 3)));
	assert_false(type_eq(cases[17].type,
	                     (struct type){ .kind = TYPE_LIST, .elem = TYPE_DECIMAL, .precision = 38, .scale = 11 }));
	/* what a type does not use does not count */
	assert_true(type_eq(T(INT32), (struct type){ .kind = TYPE_INT32, .precision = 7, .scale = 1 }));
}

/* --- relations --- */

static struct relation *make(const char *name, bool two_keys)
{
	struct relation *rel = relation_new(5, STR_LIT("s"), str_of(name), 3);

	assert_non_null(rel);
	assert_int_equal(
		relation_set_column(rel, 0, STR_LIT("a"), T(INT32), 23, -1, STR_LIT("integer"), two_keys, true), 0);
	assert_int_equal(relation_set_column(rel, 1, STR_LIT("b"), DEC(10, 2), 1700, 655366, STR_LIT("numeric(10,2)"),
	                                     false, false),
	                 0);
	assert_int_equal(relation_set_column(rel, 2, STR_LIT("c"), T(STRING), 25, -1, STR_LIT("text"), true, true), 0);
	assert_int_equal(relation_seal(rel), 0);
	return rel;
}

static void test_relation(void **state)
{
	static const uint16_t order[] = { 2, 0 };
	struct relation *rel = make("t", true);

	(void)state;
	assert_int_equal(rel->n_keys, 2);
	assert_int_equal(rel->key_columns[0], 0);
	assert_int_equal(rel->key_columns[1], 2);
	assert_int_equal(relation_set_keys(rel, order, 2), 0);
	assert_int_equal(rel->key_columns[0], 2);
	assert_int_equal(rel->key_columns[1], 0);
	assert_int_equal(relation_set_keys(rel, order, 1), 0);
	assert_int_equal(rel->n_keys, 1);
	assert_false(rel->columns[0].key);
	assert_true(rel->columns[2].key);
	assert_int_equal(relation_set_keys(rel, NULL, 0), 0);
	assert_int_equal(rel->n_keys, 0);
	assert_false(rel->columns[2].key);
	assert_int_equal(relation_find_column(rel, STR_LIT("b")), 1);
	assert_int_equal(relation_find_column(rel, STR_LIT("bb")), -1);
	assert_int_equal(relation_find_column(rel, STR_LIT("")), -1);
	/* a column may be set again: the last one counts, nothing leaks */
	assert_int_equal(relation_set_column(rel, 1, STR_LIT("bb"), T(BOOL), 16, -1, STR_LIT("boolean"), false, false),
	                 0);
	assert_int_equal(relation_find_column(rel, STR_LIT("bb")), 1);
	relation_unref(relation_ref(rel));
	assert_string_equal(rel->columns[1].source_type_name, "boolean");
	relation_unref(rel);
	relation_unref(NULL);
}

enum {
	OTHER_ID,
	OTHER_NAME,
	OTHER_SCHEMA,
	OTHER_UNSUPPORTED,
	OTHER_KEYS,
	OTHER_KEY_ORDER,
	OTHER_COLUMN,
	OTHER_TYPE,
	OTHER_SOURCE_TYPE,
	OTHER_TYPMOD,
	OTHER_NULL,
	OTHER_COUNT
};

static struct relation *make_other(int how)
{
	static const uint16_t swapped[] = { 2, 0 };
	struct relation *rel = make(how == OTHER_NAME ? "u" : "t", how != OTHER_KEYS);

	if (how == OTHER_ID)
		rel->id = 6;
	if (how == OTHER_SCHEMA)
		((char *)rel->schema)[0] = 'z';
	if (how == OTHER_UNSUPPORTED)
		assert_int_equal(relation_set_unsupported(rel, "why"), 0);
	if (how == OTHER_KEY_ORDER)
		assert_int_equal(relation_set_keys(rel, swapped, 2), 0);
	if (how == OTHER_COLUMN)
		((char *)rel->columns[1].name)[0] = 'B';
	if (how == OTHER_TYPE)
		rel->columns[1].type.scale = 3;
	if (how == OTHER_SOURCE_TYPE)
		rel->columns[2].source_type = 1043;
	if (how == OTHER_TYPMOD)
		rel->columns[1].typmod = 655367;
	if (how == OTHER_NULL)
		rel->columns[1].not_null = true;
	return rel;
}

static void test_same_shape(void **state)
{
	struct relation *rel = make("t", true), *same = make("t", true);

	(void)state;
	same->version = 9; /* everything but this */
	assert_true(relation_same_shape(rel, same));
	for (int how = 0; how < OTHER_COUNT; how++) {
		struct relation *other = make_other(how);

		if (relation_same_shape(rel, other) || relation_same_shape(other, rel))
			fail_msg("difference %d is not seen", how);
		relation_unref(other);
	}
	relation_unref(rel);
	relation_unref(same);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names_and_widths),
		cmocka_unit_test(test_relation),
		cmocka_unit_test(test_same_shape),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
