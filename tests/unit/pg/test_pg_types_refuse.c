/* tests/unit/pg/test_pg_types_refuse.c — datums that no server sends: refused with ERR_VALUE, never a guess, never a read past the end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#include "base/mem.h"
#include "event/batch.h"
#include "event/change.h"
#include "pg/pg_types.h"

static int put_kind(uint32_t oid, int32_t typmod, uint8_t kind, struct str bytes, struct err *err, struct wbuf *got)
{
	struct pg_type_info info = { .oid = oid, .typmod = typmod };
	struct type type = pg_type_map(&info);
	struct relation *rel = relation_new(1, STR_LIT("public"), STR_LIT("t"), 1);
	struct batch *batch = batch_new(&type, 1, 1);
	uint8_t *copy = mem_alloc(bytes.n ? bytes.n : 1);
	struct datum datum = { copy, (uint32_t)bytes.n, kind };
	int rc;

	if (bytes.n)
		memcpy(copy, bytes.p, bytes.n);
	assert_int_equal(
		relation_set_column(rel, 0, STR_LIT("amount"), type, oid, typmod, STR_LIT("some_type"), false, false),
		0);
	assert_int_equal(relation_seal(rel), 0);
	assert_int_equal(pg_types_bind(rel, err), 0);
	rc = rel->columns[0].put(&rel->columns[0], &datum, batch, &batch->columns[0], 0, err);
	if (got)
		column_text(&batch->columns[0], 0, got);
	mem_free(copy);
	batch_free(batch);
	relation_unref(rel);
	return rc;
}

#define NUMERIC(p, s) (((p) << 16 | (s)) + 4)

static void refuse_text(uint32_t oid, int32_t typmod, const char *text)
{
	struct err err;

	if (put_kind(oid, typmod, DATUM_TEXT, str_of(text), &err, NULL) != ERR_VALUE)
		fail_msg("oid %u took \"%s\"", oid, text);
	assert_non_null(strstr(err.text, "\"amount\" (some_type)"));
}

static void text_of_another_shape(void **state)
{
	static const struct {
		uint32_t oid;
		int32_t typmod;
		const char *text;
	} cases[] = {
		{ 16, -1, "true" },
		{ 16, -1, "" },
		{ 21, -1, "32768" },
		{ 21, -1, "-32769" },
		{ 23, -1, "2147483648" },
		{ 23, -1, "-2147483649" },
		{ 23, -1, "" },
		{ 23, -1, "-" },
		{ 23, -1, "1 " },
		{ 23, -1, "+1" },
		{ 23, -1, "0x1" },
		{ 20, -1, "9223372036854775808" },
		{ 20, -1, "-9223372036854775809" },
		{ 20, -1, "99999999999999999999" },
		{ 20, -1, "1e5" },
		{ 700, -1, "nan" },
		{ 700, -1, "1e40" },
		{ 701, -1, "" },
		{ 701, -1, "." },
		{ 701, -1, "1." },
		{ 701, -1, "1e" },
		{ 701, -1, "inf" },
		{ 701, -1, "0x1p3" },
		{ 701, -1, "1e999" },
		{ 701, -1, "1,5" },
		{ 701, -1, "1e+-1" },
		{ 701, -1, "1234567890123456789012345" },
		{ 1700, NUMERIC(4, 2), "100.00" },
		{ 1700, NUMERIC(4, 2), "1.001" },
		{ 1700, NUMERIC(4, 2), "" },
		{ 1700, NUMERIC(4, 2), "." },
		{ 1700, NUMERIC(4, 2), "-" },
		{ 1700, NUMERIC(4, 2), "1e1" },
		{ 1700, NUMERIC(4, 2), "1.0.0" },
		{ 1700, NUMERIC(4, 2), "1." },
		{ 1700, NUMERIC(4, 2), "Infinity" },
		{ 1700, NUMERIC(38, 0), "100000000000000000000000000000000000000" },
		{ 1700, NUMERIC(38, 2), "1000000000000000000000000000000000000" },
		{ 25, -1, "\xff" },
		{ 25, -1, "abc\xc3" },
		{ 25, -1, "\xed\xa0\x80" },
		{ 25, -1, "\xc0\x80" },
		{ 25, -1, "\xf4\x90\x80\x80" },
		{ 25, -1, "12345678\x80" },
		{ 25, -1, "\xe0\x9f\xbf" },
		{ 25, -1, "\xf0\x8f\xbf\xbf" },
		{ 17, -1, "" },
		{ 17, -1, "\\" },
		{ 17, -1, "\\x0" },
		{ 17, -1, "\\xzz" },
		{ 17, -1, "abc\\000" },
		{ 2950, -1, "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a1" },
		{ 2950, -1, "a0eebc999-c0b-4ef8-bb6d-6bb9bd380a11" },
		{ 2950, -1, "g0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11" },
		{ 1082, -1, "2024-02-30" },
		{ 1082, -1, "2023-02-29" },
		{ 1082, -1, "2024-13-01" },
		{ 1082, -1, "2024-00-01" },
		{ 1082, -1, "2024-01-00" },
		{ 1082, -1, "0000-01-01" },
		{ 1082, -1, "01/02/2024" },
		{ 1082, -1, "2024-1-1" },
		{ 1082, -1, "2024-01-01 AD" },
		{ 1082, -1, "24-01-01" },
		{ 1082, -1, "12345678-01-01" },
		{ 1083, -1, "24:00:01" },
		{ 1083, -1, "12:60:00" },
		{ 1083, -1, "12:00:60" },
		{ 1083, -1, "12:00" },
		{ 1083, -1, "12:00:00." },
		{ 1083, -1, "12:00:00.1234567" },
		{ 1083, -1, "12:00:00+00" },
		{ 1114, -1, "2024-01-01" },
		{ 1114, -1, "2024-01-01T00:00:00" },
		{ 1114, -1, "2024-01-01 24:00:00" },
		{ 1114, -1, "2024-01-01 00:00:00+00" },
		{ 1114, -1, "Mon Jan 01 00:00:00 2024" },
		{ 1184, -1, "2024-01-01 00:00:00" },
		{ 1184, -1, "2024-01-01 00:00:00 UTC" },
		{ 1184, -1, "2024-01-01 00:00:00+" },
		{ 1184, -1, "2024-01-01 00:00:00+0" },
		{ 1184, -1, "2024-01-01 00:00:00+00:" },
		{ 1007, -1, "" },
		{ 1007, -1, "{" },
		{ 1007, -1, "}" },
		{ 1007, -1, "{1,}" },
		{ 1007, -1, "{,1}" },
		{ 1007, -1, "{1 ,2}" },
		{ 1007, -1, "{1}x" },
		{ 1007, -1, "{1,{2}}" },
		{ 1007, -1, "{a}" },
		{ 1007, -1, "1,2" },
		{ 1009, -1, "{\"a}" },
		{ 1009, -1, "{\"a\"b}" },
		{ 1009, -1, "{\"a\\\"}" },
		{ 1009, -1, "{a\"b}" },
		{ 1009, -1, "{\"a\",}" },
		{ 1009, -1, "{\"\xff\"}" },
		{ 1009, -1, "[1:2]" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		refuse_text(cases[i].oid, cases[i].typmod, cases[i].text);
}

#define BYTES(s)                                                                                                       \
	{                                                                                                              \
		s, sizeof(s) - 1                                                                                       \
	}

static void binary_of_another_shape(void **state)
{
	static const struct {
		uint32_t oid;
		int32_t typmod;
		struct str bytes;
	} cases[] = {
		{ 16, -1, BYTES("") },
		{ 16, -1, BYTES("\2") },
		{ 16, -1, BYTES("\0\1") },
		{ 21, -1, BYTES("\1") },
		{ 21, -1, BYTES("\1\1\1\1") },
		{ 23, -1, BYTES("\1\1\1") },
		{ 23, -1, BYTES("\1\1\1\1\1\1\1\1") },
		{ 20, -1, BYTES("\1\1\1\1") },
		{ 700, -1, BYTES("\1\1\1\1\1\1\1\1") },
		{ 701, -1, BYTES("\1\1\1\1") },
		{ 1082, -1, BYTES("\1") },
		{ 1082, -1, BYTES("\x7f\xff\xff\xff") },
		{ 1082, -1, BYTES("\x80\0\0\0") },
		{ 1082, -1, BYTES("\x7f\xff\xff\xfe") },
		{ 1083, -1, BYTES("\xff\xff\xff\xff\xff\xff\xff\xff") },
		{ 1083, -1, BYTES("\0\0\0\x14\x1d\xd7\x60\x00") },
		{ 1083, -1, BYTES("\0\0\0\x14\x1d\xd7\x60\x01") },
		{ 1114, -1, BYTES("\x7f\xff\xff\xff\xff\xff\xff\xff") },
		{ 1114, -1, BYTES("\x80\0\0\0\0\0\0\0") },
		{ 1114, -1, BYTES("\x7f\xff\xff\xff\xff\xff\xff\xfe") },
		{ 2950, -1, BYTES("123456789012345") },
		{ 1700, -1, BYTES("") },
		{ 1700, -1, BYTES("\0\1\0\0\0\0\0\0") },
		{ 1700, -1, BYTES("\0\0\0\0\x10\0\0\0") },
		{ 1700, -1, BYTES("\0\1\0\0\0\0\0\0\x27\x10") },
		{ 1700, -1, BYTES("\0\0\0\0\0\0\x40\0") },
		{ 1700, -1, BYTES("\0\0\0\0\0\0\0\0\0") },
		{ 1700, NUMERIC(4, 2), BYTES("\0\1\0\0\0\0\0\0\0\x64") } /* 100 */,
		{ 1700, NUMERIC(4, 2), BYTES("\0\2\0\0\0\0\0\3\0\1\0\x0a") } /* 1.001 */,
		{ 1700, NUMERIC(4, 2), BYTES("\0\1\xff\xfe\0\0\0\2\0\1") },
		{ 1700, NUMERIC(4, 2), BYTES("\0\1\x7f\xff\0\0\0\2\0\1") },
		{ 1700, NUMERIC(4, 2), BYTES("\0\1\x80\0\0\0\0\2\0\1") },
		{ 1700, NUMERIC(38, 0), BYTES("\0\1\0\x09\0\0\0\0\0\x64") } /* 10^38 */,
		{ 1700, NUMERIC(38, 0), BYTES("\0\1\0\x0a\0\0\0\0\0\1") },
		{ 1700, NUMERIC(4, 2), BYTES("\0\0\0\0\xd0\0\0\0") },
		{ 1700, NUMERIC(4, 2), BYTES("\0\0\0\0\xc0\0\0\0") },
		{ 1700, NUMERIC(4, 2), BYTES("\0\1\0\0\0\0\0\0\xff\xff") },
		{ 25, -1, BYTES("a\0b") },
		{ 25, -1, BYTES("\xfe") },
		{ 18, -1, BYTES("") },
		{ 18, -1, BYTES("ab") },
		{ 18, -1, BYTES("\x80") },
		{ 3802, -1, BYTES("") },
		{ 3802, -1, BYTES("\2{}") },
		{ 1186, -1, BYTES("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0") } /* interval */,
		{ 20000, -1, BYTES("\0\0\0\2abcd") } /* a composite */,
		{ 20000, -1, BYTES("\1") } /* an empty range */,
		{ 1007, -1, BYTES("") },
		{ 1007, -1, BYTES("\0\0\0\0\0\0\0\0\0\0\0\x19") } /* of text */,
		{ 1007, -1, BYTES("\0\0\0\7\0\0\0\0\0\0\0\x17") },
		{ 1007, -1, BYTES("\0\0\0\1\0\0\0\2\0\0\0\x17\0\0\0\0\0\0\0\1") },
		{ 1007, -1, BYTES("\0\0\0\1\0\0\0\0\0\0\0\x17\xff\xff\xff\xff\0\0\0\1") },
		{ 1007, -1, BYTES("\0\0\0\1\0\0\0\0\0\0\0\x17\0\0\0\1\0\0\0\1\0\0\0\4\0\0\0") },
		{ 1007, -1, BYTES("\0\0\0\1\0\0\0\0\0\0\0\x17\0\0\0\1\0\0\0\1\0\0\0\4\0\0\0\1\0") },
		{ 1007, -1, BYTES("\0\0\0\1\0\0\0\0\0\0\0\x17\0\0\0\1\0\0\0\1\xff\xff\xff\xfe\0\0\0\1") },
		{ 1007, -1, BYTES("\0\0\0\1\0\0\0\0\0\0\0\x17\0\0\0\1\0\0\0\0\0\0\0\4\0\0\0\1") } /* lower bound 0 */,
		{ 1007, -1, BYTES("\0\0\0\0\0\0\0\0\0\0\0\x17\0") },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct err err;

		if (put_kind(cases[i].oid, cases[i].typmod, DATUM_BINARY, cases[i].bytes, &err, NULL) != ERR_VALUE)
			fail_msg("binary case %zu (oid %u) was taken", i, cases[i].oid);
	}
}

static void check_text(uint32_t oid, int32_t typmod, const char *text, const char *want)
{
	struct wbuf got;
	struct err err;

	wbuf_init(&got, 0);
	if (put_kind(oid, typmod, DATUM_TEXT, str_of(text), &err, &got))
		fail_msg("%s: %s", text, err.text);
	assert_string_equal(wbuf_cstr(&got), want);
	wbuf_free(&got);
}

/* A decimal with fewer or with more (zero) places than the column has is still exact. */
static void decimals_are_rescaled(void **state)
{
	(void)state;
	check_text(1700, NUMERIC(4, 2), "1", "1.00");
	check_text(1700, NUMERIC(4, 2), "-1.5", "-1.50");
	check_text(1700, NUMERIC(4, 2), "99.990000", "99.99");
	check_text(1700, NUMERIC(4, 2), "00000000000000000000000000000000000000000099.99", "99.99");
	check_text(1700, NUMERIC(38, 20), "123456789012345678", "123456789012345678.00000000000000000000");
	check_text(1700, NUMERIC(38, 38), "-0.00000000000000000000000000000000000001",
	           "-0.00000000000000000000000000000000000001");
	check_text(1700, NUMERIC(38, 0), "99999999999999999999999999999999999999",
	           "99999999999999999999999999999999999999");
}

static void null_and_unchanged(void **state)
{
	struct wbuf got;
	struct err err;

	(void)state;
	wbuf_init(&got, 0);
	assert_int_equal(put_kind(23, -1, DATUM_NULL, STR_LIT(""), &err, &got), 0);
	assert_string_equal(wbuf_cstr(&got), "null");
	assert_int_equal(put_kind(23, -1, DATUM_UNCHANGED, STR_LIT(""), &err, NULL), ERR_BUG);
	assert_int_equal(put_kind(23, -1, 'x', STR_LIT("1"), &err, NULL), ERR_CORRUPT);
	wbuf_free(&got);
}

static void null_replaces_a_value(void **state)
{
	struct type type = { .kind = TYPE_INT32 };
	struct relation *rel = relation_new(1, STR_LIT("public"), STR_LIT("t"), 1);
	struct batch *batch = batch_new(&type, 1, 4);
	struct datum one = { (const uint8_t *)"7", 1, DATUM_TEXT }, null = { NULL, 0, DATUM_NULL };
	struct err err;

	(void)state;
	assert_int_equal(relation_set_column(rel, 0, STR_LIT("c"), type, 23, -1, STR_LIT("int4"), false, false), 0);
	assert_int_equal(relation_seal(rel), 0);
	assert_int_equal(pg_types_bind(rel, &err), 0);
	assert_int_equal(rel->columns[0].put(&rel->columns[0], &one, batch, &batch->columns[0], 2, &err), 0);
	assert_true(column_valid(&batch->columns[0], 2));
	assert_int_equal(rel->columns[0].put(&rel->columns[0], &null, batch, &batch->columns[0], 2, &err), 0);
	assert_false(column_valid(&batch->columns[0], 2));
	assert_int_equal(COLUMN_AT(&batch->columns[0], int32_t, 2), 0); /* the data of an invalid row is zeroed */
	batch_free(batch);
	relation_unref(rel);
}

static void bind_refuses_what_map_never_makes(void **state)
{
	static const struct {
		uint32_t oid;
		struct type type;
	} cases[] = {
		{ 23, { .kind = TYPE_STRING } },
		{ 20, { .kind = TYPE_INT32 } },
		{ 1700, { .kind = TYPE_INT64 } },
		{ 1700, { .kind = TYPE_DECIMAL, .precision = 39 } },
		{ 1700, { .kind = TYPE_DECIMAL, .precision = 4, .scale = 5 } },
		{ 1007, { .kind = TYPE_LIST, .elem = TYPE_INT64 } },
		{ 1007, { .kind = TYPE_STRING } },
		{ 1231, { .kind = TYPE_LIST, .elem = TYPE_INT32 } },
		{ 1186, { .kind = TYPE_INT64 } },
		{ 20000, { .kind = TYPE_DATE } },
		{ 1186, { .kind = TYPE_LIST, .elem = TYPE_STRING } },
		{ 23, { .kind = TYPE_NONE } },
	};
	struct err err;

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct relation *rel = relation_new(1, STR_LIT("public"), STR_LIT("t"), 1);

		assert_int_equal(relation_set_column(rel, 0, STR_LIT("c"), cases[i].type, cases[i].oid, -1,
		                                     STR_LIT("x"), false, false),
		                 0);
		assert_int_equal(relation_seal(rel), 0);
		assert_int_equal(pg_types_bind(rel, &err), ERR_CORRUPT);
		relation_unref(rel);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_of_another_shape), cmocka_unit_test(binary_of_another_shape),
		cmocka_unit_test(decimals_are_rescaled), cmocka_unit_test(null_and_unchanged),
		cmocka_unit_test(null_replaces_a_value), cmocka_unit_test(bind_refuses_what_map_never_makes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
