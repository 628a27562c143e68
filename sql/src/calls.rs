//! Whether a PostgreSQL statement calls a function that may change the session.

use super::lexer::{Kind, Lexer, Token};

/// Keywords that may precede a parenthesis, with a blank before and after each.
const LANGUAGE: &str = " \
    all always and any array as asymmetric between bit bpchar brin btree by case cast char character check \
    coalesce columns conflict copy cube dec decimal default distinct else except exclude exists explain extract \
    filter float following from gin gist greatest group grouping hash having identity ilike in include insert \
    intersect interval into is join json_array json_exists json_object json_query json_table json_value key \
    lateral least like limit list materialized not nullif numeric of offset on or over overlay position precision \
    range references returning rollup row rows select set sets similar some spgist stdin stdout substring \
    symmetric then time timestamp timestamptz timetz to treat trim union unique using values varbit varchar \
    varying when where with within ";

/// Built-in functions that do not change the session in a way that a later script could notice. A function
/// missing here only costs a run some time. Calls of `set_config` are examined elsewhere.
const HARMLESS: &str = " \
    abs age array_agg array_append array_cat array_length array_position array_prepend array_remove \
    array_to_string ascii avg bit_length bool_and bool_or btrim cardinality ceil ceiling char_length chr \
    clock_timestamp concat concat_ws count cume_dist current_database current_schema current_setting date_part \
    date_trunc decode dense_rank div encode every exp first_value floor format gen_random_uuid generate_series \
    generate_subscripts hashtext initcap json_agg json_array_elements json_array_length json_build_array \
    json_build_object json_object_agg jsonb_agg jsonb_array_elements jsonb_array_elements_text jsonb_array_length \
    jsonb_build_array jsonb_build_object jsonb_each jsonb_each_text jsonb_object_agg jsonb_object_keys jsonb_set \
    jsonb_strip_nulls jsonb_typeof lag last_value lead left length ln log lower lpad ltrim make_date \
    make_interval max md5 min mod nextval now nth_value ntile num_nonnulls num_nulls octet_length percent_rank \
    percentile_cont percentile_disc pg_get_serial_sequence pg_sleep pg_typeof power quote_ident quote_literal \
    random rank regexp_match regexp_matches regexp_replace regexp_split_to_array regexp_split_to_table repeat \
    replace reverse right round row_number row_to_json rpad rtrim set_config setval sha256 sign split_part sqrt \
    starts_with statement_timestamp string_agg string_to_array strpos substr sum to_char to_date to_json to_jsonb \
    to_number to_regclass to_timestamp to_tsquery to_tsvector transaction_timestamp translate trunc unnest upper \
    version ";

/// Whether a name before an opening parenthesis calls a function that is not known to be harmless: the
/// name begins with `name` and ends with `last`, and `before` stands before it.
pub(super) fn calls(lexer: &Lexer<'_>, before: Token, name: Token, last: Token) -> bool {
    let names_something = ["into", "references", "copy", "as", "with", "recursive", "table", "prepare", "only"];
    if names_something.into_iter().any(|word| lexer.is(before, word)) || lexer.is_byte(before, b':') {
        return false;
    }
    let text = std::str::from_utf8(lexer.bytes(last)).unwrap_or_default();
    if last.kind != Kind::Word || (name.start != last.start && !lexer.is(name, "pg_catalog")) {
        return true;
    }
    // The macro is not optimized, but the standard library's search in a text is.
    let word = format!(" {} ", text.to_ascii_lowercase());
    !LANGUAGE.contains(&word) && !HARMLESS.contains(&word)
}
