#include "unit/kernel/select/machine.hpp"

#include <gtest/gtest.h>

namespace {

using namespace sigrun;

struct refusal {
    const char* text;
    std::uint32_t column;
    const char* message;  // up to " at column"
};

TEST(requirement_errors, name_the_column_and_what_was_expected) {
    const refusal table[] = {
        {"cpu.cores >=", 13, "expected a value after \">=\""},
        {"cpu.cores >= && x", 14, "expected a value after \">=\""},
        {"a ==  )", 7, "expected a value after \"==\""},
        {"== 4", 1, "expected a condition"},
        {"a &&", 5, "expected a condition after \"&&\""},
        {"a || || b", 6, "expected a condition after \"||\""},
        {"a & b", 3, "expected \"&&\""},
        {"a | b", 3, "expected \"||\""},
        {"a = 1", 3, "expected \"==\""},
        {"a b", 3, "expected \"&&\", \"||\" or the end after \"a\""},
        {"(a", 3, "expected \")\" after \"a\""},
        {"a)", 2, "expected \"&&\", \"||\" or the end after \"a\""},
        {"()", 2, "expected a condition after \"(\""},
        {"a == 'x'", 6, "expected a text in double quotes"},
        {"a == \"x", 6, "the text that begins here has no closing quote"},
        {"a == \"x\\", 6, "the text that begins here has no closing quote"},
        {"a == \"\\q\"", 7, "expected one of \\\" \\\\ \\n \\t"},
        {"a == \"x\ny\"", 8, "a control character cannot stand in a text"},
        {"a == #", 6, "this character has no meaning outside a text"},
        {"é == 1", 1, "this character has no meaning outside a text"},
        {"a == \"é\" b", 10, "expected \"&&\", \"||\" or the end after \"\"é\"\""},
        {"5", 1, "expected a condition, found a number"},
        {"\"x\" && a", 1, "expected a condition, found a text"},
        {"a && 5ms", 6, "expected a condition, found a duration"},
        {"count(gpu)", 1, "expected a condition, found a count"},
        {"[1]", 1, "expected a condition, found a list"},
        {"1 < \"a\"", 3, "cannot compare a number with a text"},
        {"count(gpu) > \"x\"", 12, "cannot compare a number with a text"},
        {"a < true", 5, "true and false have no order"},
        {"false >= a", 1, "true and false have no order"},
        {"a < 5ms", 5, "a duration needs a key that ends in _ns, _us, _ms or _s"},
        {"5ms > a", 1, "a duration needs a key that ends in _ns, _us, _ms or _s"},
        {"a in [5ms]", 6, "a duration needs a key that ends in _ns, _us, _ms or _s"},
        {"5ms in a_ms", 1, "a duration needs a key that ends in _ns, _us, _ms or _s"},
        {"count(gpu) > 5ms", 14, "a duration needs a key that ends in _ns, _us, _ms or _s"},
        {"a == [1]", 6, "a list can stand only after \"in\""},
        {"[1] == a", 1, "a list can stand only after \"in\""},
        {"a in 5", 6, "expected a list or a key after \"in\""},
        {"a in", 5, "expected a list or a key after \"in\""},
        {"a in [1", 8, "expected \",\" or \"]\" after \"1\""},
        {"a in [1,]", 9, "expected a number or a text after \",\""},
        {"a in [b]", 7, "expected a number, a text or \"]\" after \"[\""},
        {"a in [[1]]", 7, "expected a number, a text or \"]\" after \"[\""},
        {"1 in [1, \"x\"]", 6, "expected a list of the type of the value, found a text in it"},
        {"a == 1 == 2", 8, "comparisons cannot be chained; join them with \"&&\""},
        {"a in [1] in [2]", 10, "comparisons cannot be chained; join them with \"&&\""},
        {"!a == 1", 1, "\"!\" negates what follows directly; put the comparison in parentheses"},
        {"(a && b) == 1", 1, "expected a value before \"==\""},
        {"a == (b || c)", 6, "expected a value"},
        {"known(a) == true", 1, "expected a value before \"==\""},
        {"known()", 7, "expected a key after \"(\""},
        {"known(a", 8, "expected \")\" after \"a\""},
        {"known(5)", 7, "expected a key after \"(\""},
        {"size(a) > 1", 1, "there is no function \"size\"; expected any, all, count, known or present"},
        {"any()", 5, "expected a name for the element after \"(\""},
        {"any(x)", 6, "expected \"in\" after \"x\""},
        {"any(x in)", 9, "expected a list after \"in\""},
        {"any(x in l)", 11, "expected \",\" after \"l\""},
        {"any(x in l,)", 12, "expected a condition after \",\""},
        {"any(x in l, 5)", 13, "expected a condition, found a number"},
        {"any(x.y in l, x)", 5, "expected a plain name for the element"},
        {"any(label in l, true)", 5, "expected a plain name for the element"},
        {"any(x in l, any(x in m, x))", 17, "the name \"x\" is in use already"},
        {"any(x in l, any(y in m, any(z in n, z)))", 29, "any, all and count can be nested only two deep"},
        {"count()", 7, "expected a list after \"(\""},
        {"a. == 1", 3, "expected a name after \".\""},
        {"a[ == 1", 3, "expected a position from 0 to 999999 after \"[\""},
        {"a[1 == 1", 4, "expected \"]\""},
        {"a[12345678] == 1", 3, "expected a position from 0 to 999999 after \"[\""},
        {"a[\"x\"] == 1", 3, "only a label may stand in brackets and quotes, as in label[\"x/y\"]; expected a number"},
        {"label[\"\"] == \"\"", 8, "expected the name of a label"},
        {"label[\"x\"].y == \"\"", 1, "a label is a text and has no parts"},
        {"label.x[0] == \"\"", 1, "a label is a text and has no parts"},
        {"a == 5parsecs", 6, "expected a number, a size such as 8GiB or a duration such as 5ms"},
        {"a == 5.5.5", 6, "expected a number, a size such as 8GiB or a duration such as 5ms"},
        {"a == -5GiB", 6, "expected a size from 0 to 16 EiB"},
        {"a == 99999999PiB", 6, "expected a size from 0 to 16 EiB"},
        {"a == 1e", 6, "expected a number such as 4, 2.5 or 1e9"},
        {"a == 1e999", 6, "expected a number such as 4, 2.5 or 1e9"},
        {"a == v\"x\"", 6, "expected numbers joined by dots such as v\"24.1\""},
        {"a == v\"\"", 6, "expected numbers joined by dots such as v\"24.1\""},
        {"a == v\"1..2\"", 6, "expected numbers joined by dots such as v\"24.1\""},
        {"in == 1", 1, "expected a condition"},
    };
    for (const auto& row : table) {
        auto r = requirement::compile(row.text);
        ASSERT_FALSE(r) << row.text;
        EXPECT_EQ(r.error().code, errc::invalid);
        EXPECT_EQ(r.error().field, "requires");
        const std::string& m = r.error().message;
        EXPECT_EQ(m.substr(0, m.find('\n')), std::string(row.message) + " at column " + std::to_string(row.column))
            << row.text;
        // The last line is the caret, under the column.
        EXPECT_EQ(m.substr(m.rfind('\n') + 1), std::string(row.column - 1, ' ') + "^") << row.text;
    }
}

TEST(requirement_errors, show_the_text_and_a_caret) {
    auto r = requirement::compile("cpu.cores >= && x");
    ASSERT_FALSE(r);
    EXPECT_EQ(r.error().text(),
              "requires: expected a value after \">=\" at column 14\ncpu.cores >= && x\n             ^");
}

TEST(requirement_errors, limits_hold_exactly) {
    auto repeat = [](const std::string& unit, const std::string& separator, int n) {
        std::string out = unit;
        for (int i = 1; i < n; ++i) out += separator + unit;
        return out;
    };
    EXPECT_TRUE(requirement::compile(repeat("a", "&&", 256)));
    auto terms = requirement::compile(repeat("a", "&&", 257));
    ASSERT_FALSE(terms);
    EXPECT_TRUE(terms.error().message.starts_with("more than 256 terms at column ")) << terms.error().message;

    EXPECT_TRUE(requirement::compile(std::string(32, '(') + "a" + std::string(32, ')')));
    auto deep = requirement::compile(std::string(33, '(') + "a" + std::string(33, ')'));
    ASSERT_FALSE(deep);
    EXPECT_TRUE(deep.error().message.starts_with("nested more than 32 deep at column 33\n"));
    EXPECT_TRUE(requirement::compile(std::string(32, '!') + "a"));
    EXPECT_FALSE(requirement::compile(std::string(33, '!') + "a"));

    const std::string fits = "a == \"" + std::string(4096 - 7, 'x') + "\"";
    ASSERT_EQ(fits.size(), 4096u);
    EXPECT_TRUE(requirement::compile(fits));
    auto long_text = requirement::compile(fits + " ");
    ASSERT_FALSE(long_text);
    EXPECT_EQ(long_text.error().code, errc::too_large);
    EXPECT_FALSE(requirement::compile(std::string(257, 'k') + " == 1"));
}

TEST(requirement_errors, refuse_what_is_no_text) {
    EXPECT_FALSE(requirement::compile("a == \"\xff\""));
    EXPECT_FALSE(requirement::compile("a == \"\xed\xa0\x80\""));
    EXPECT_FALSE(requirement::compile(std::string_view("a\0b", 3)));
    EXPECT_TRUE(requirement::compile("a == \"grün\""));
}

}  // namespace
