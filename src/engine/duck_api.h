/* src/engine/duck_api.h — the functions of libduckdb that Tarn uses, as one table filled by dlsym.
 *
 * Private to engine/. Types come from the prototypes in duckdb.h, so a call through the table is checked like a
 * direct one; only the names are listed here. A missing symbol makes duck_load fail and names it: an older library is
 * refused at start, not in the middle of a write. */
#ifndef TARN_ENGINE_DUCK_API_H
#define TARN_ENGINE_DUCK_API_H

#include <duckdb.h>

#include "base/err.h"
#include "event/type.h"

#define DUCK_FUNCTIONS(F)                                                                                                                                          \
	F(library_version)                                                                                                                                         \
	F(create_config) F(set_config) F(destroy_config) F(open_ext) F(close) F(free) F(connect) F(disconnect) F(interrupt) F(                                     \
		query) F(destroy_result) F(result_error) F(result_error_type) F(rows_changed) F(extract_statements) F(prepare_extracted_statement)                 \
		F(extract_statements_error) F(destroy_extracted) F(prepare) F(prepare_error) F(destroy_prepare) F(prepared_statement_type) F(                      \
			pending_prepared_streaming) F(pending_error) F(execute_pending) F(destroy_pending) F(column_count) F(column_name)                          \
			F(column_logical_type) F(fetch_chunk) F(result_return_type) F(destroy_data_chunk) F(data_chunk_get_size) F(                                \
				data_chunk_set_size) F(data_chunk_get_vector) F(data_chunk_get_column_count) F(vector_get_data)                                    \
				F(vector_get_validity) F(vector_ensure_validity_writable) F(vector_size) F(vector_get_column_type) F(                              \
					vector_assign_string_element_len) F(list_vector_get_child) F(list_vector_get_size) F(list_vector_set_size)                 \
					F(list_vector_reserve) F(struct_vector_get_child) F(array_vector_get_child) F(create_logical_type) F(                      \
						create_decimal_type) F(create_list_type) F(destroy_logical_type) F(get_type_id) F(logical_type_get_alias)          \
						F(decimal_width) F(decimal_scale) F(decimal_internal_type) F(enum_internal_type) F(                                \
							enum_dictionary_value) F(list_type_child_type) F(array_type_child_type) F(array_type_array_size)           \
							F(map_type_key_type) F(map_type_value_type) F(struct_type_child_count) F(                                  \
								struct_type_child_name) F(struct_type_child_type) F(union_type_member_count)                       \
								F(union_type_member_name) F(union_type_member_type) F(create_table_function) F(                    \
									destroy_table_function) F(table_function_set_name) F(table_function_add_parameter)         \
									F(table_function_set_extra_info) F(table_function_set_bind) F(                             \
										table_function_set_init) F(table_function_set_function) F(register_table_function) \
										F(bind_get_extra_info) F(bind_get_parameter) F(                                    \
											bind_add_result_column) F(bind_set_bind_data)                              \
											F(bind_set_error) F(init_set_max_threads) F(                               \
												function_get_bind_data) F(function_set_error)                      \
												F(get_uint64) F(destroy_value) F(                                  \
													create_scalar_function) F(destroy_scalar_function)         \
													F(scalar_function_set_name) F(                             \
														scalar_function_add_parameter)                     \
														F(scalar_function_set_return_type) F(              \
															scalar_function_set_extra_info)            \
															F(scalar_function_set_function) F(         \
																scalar_function_get_extra_info)    \
																F(scalar_function_set_error)       \
																	F(register_scalar_function)

struct duck_api {
#define DUCK_MEMBER(name) __typeof__(&duckdb_##name) name;
	DUCK_FUNCTIONS(DUCK_MEMBER)
#undef DUCK_MEMBER
};

/* Filled once by duck_load, constant afterwards. */
extern struct duck_api duck_api;

int duck_load(struct err *err) TARN_MUST_CHECK; /* first call loads; thread-safe */

/* Turns a failed result or a DuckDB text into an err. `what` is the subject. Frees nothing. */
int duck_error(struct err *err, duckdb_error_type type, const char *text, const char *what);
/* Runs a statement whose rows nobody wants. */
int duck_exec(duckdb_connection conn, const char *sql, const char *what, struct err *err) TARN_MUST_CHECK;

/* An instance with the given settings: pairs of name and value, NULL-ended. */
int duck_instance_open(duckdb_database *out, const char *const *settings, struct err *err) TARN_MUST_CHECK;

/* DuckDB's spelling of a type ("DECIMAL(10,2)", "VARCHAR[]"); NULL for TYPE_NONE. */
#define DUCK_TYPE_TEXT_MAX 32
const char *duck_type_text(struct type type, char buf[DUCK_TYPE_TEXT_MAX]);

#endif
