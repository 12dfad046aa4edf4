#include "machines/tree_file.hpp"

#include <sigrun/cpp/cpulist.hpp>

#include <sys/stat.h>

namespace machines {
namespace {

[[noreturn]] void bad(const std::string& what) { throw std::runtime_error(what); }

/// A recursive descent over one expression.
class expression {
public:
    expression(std::string_view text, long n) : rest_(text), n_(n) {}
    long value() {
        const long v = sum();
        if (!rest_.empty()) bad("expected an end, found " + std::string(rest_));
        return v;
    }

private:
    bool take(char c) {
        if (!rest_.starts_with(c)) return false;
        rest_.remove_prefix(1);
        return true;
    }
    long sum() {
        for (long v = product();;) {
            if (take('+'))
                v += product();
            else if (take('-'))
                v -= product();
            else
                return v;
        }
    }
    long product() {
        for (long v = factor();;) {
            const char op = rest_.empty() ? ' ' : rest_.front();
            if (op != '*' && op != '/' && op != '%') return v;
            rest_.remove_prefix(1);
            const long by = factor();
            if (op != '*' && by == 0) bad("division by 0");
            v = op == '*' ? v * by : op == '/' ? v / by : v % by;
        }
    }
    long factor() {
        if (take('n')) return n_;
        if (take('(')) {
            const long v = sum();
            if (!take(')')) bad("expected )");
            return v;
        }
        long v = 0;
        const auto [end, ec] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), v);
        if (ec != std::errc{}) bad("expected a number, found " + std::string(rest_));
        rest_.remove_prefix(static_cast<std::size_t>(end - rest_.data()));
        return v;
    }
    std::string_view rest_;
    long n_;
};

/// "{n/2}" in a text becomes its value.
std::string filled_in(std::string_view text, long n) {
    std::string out;
    for (std::size_t open; (open = text.find('{')) != text.npos;) {
        const auto close = text.find('}', open);
        if (close == text.npos) bad("{ without }");
        out += text.substr(0, open);
        out += std::to_string(evaluate(text.substr(open + 1, close - open - 1), n));
        text.remove_prefix(close + 1);
    }
    return out += text;
}

/// "\x00" is a NUL; the kernel's own escapes are octal and stay as they are.
std::string with_bytes(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text.substr(i, 4) == "\\x00") {
            out += '\0';
            i += 3;
        } else {
            out += text[i];
        }
    }
    return out;
}

std::string from_hex(std::string_view text) {
    std::string out;
    for (; text.size() >= 2; text.remove_prefix(2)) {
        unsigned byte = 0;
        std::from_chars(text.data(), text.data() + 2, byte, 16);
        out += static_cast<char>(byte);
    }
    return out;
}

struct entry {
    enum class kind { text, bytes, link, folder, denied };
    std::string path;
    kind what = kind::text;
    std::string text;
};

entry parse_entry(std::string_view line) {
    const auto part = [&](std::size_t at, std::size_t skip) { return std::string(line.substr(at + skip)); };
    if (const auto at = line.find(" -> "); at != line.npos)
        return {std::string(line.substr(0, at)), entry::kind::link, part(at, 4)};
    if (line.ends_with(" !denied")) return {std::string(line.substr(0, line.size() - 8)), entry::kind::denied, ""};
    if (const auto at = line.find(":hex "); at != line.npos)
        return {std::string(line.substr(0, at)), entry::kind::bytes, part(at, 5)};
    if (const auto at = line.find(": "); at != line.npos)
        return {std::string(line.substr(0, at)), entry::kind::text, part(at, 2) + "\n"};
    if (line.ends_with(':')) return {std::string(line.substr(0, line.size() - 1)), entry::kind::text, ""};
    if (line.ends_with('/')) return {std::string(line.substr(0, line.size() - 1)), entry::kind::folder, ""};
    bad("expected PATH: TEXT, PATH -> TARGET, PATH/ or PATH !denied, found " + std::string(line));
}

void make(const std::string& folder, const entry& e) {
    const fs::path path = folder + e.path;
    fs::create_directories(path.parent_path());
    if (e.what == entry::kind::folder) {
        fs::create_directories(path);
    } else if (e.what == entry::kind::link) {
        fs::create_symlink(e.text, path);
    } else {
        if (fs::exists(fs::symlink_status(path))) bad(e.path + " comes twice");
        std::ofstream(path, std::ios::binary) << (e.what == entry::kind::bytes ? from_hex(e.text) : with_bytes(e.text));
        if (e.what == entry::kind::denied) ::chmod(path.c_str(), 0);
    }
}

/// One entry, or one for each number that its path asks for: "cpu{n=0-3}".
void make_all(const std::string& folder, const entry& e) {
    const auto open = e.path.find("{n=");
    if (open == std::string::npos) return make(folder, e);
    const auto close = e.path.find('}', open);
    const auto numbers = sigrun::sdk::parse_cpulist(std::string_view(e.path).substr(open + 3, close - open - 3));
    if (close == std::string::npos || !numbers || numbers->empty()) bad("expected {n=0-3}, found " + e.path);
    const std::string pattern = e.path.substr(0, open) + "{n}" + e.path.substr(close + 1);
    for (auto n : numbers->numbers()) {
        const auto number = static_cast<long>(n);
        make(folder, {filled_in(pattern, number), e.what, filled_in(e.text, number)});
    }
}

expectation parse_fact(std::string_view line) {
    std::string_view rest = line;
    const auto first = sigrun::sdk::next_word(rest);
    if (first.ends_with(':'))
        return {std::string(first.substr(0, first.size() - 1)), expectation::how::status,
                json::value(std::string(sigrun::sdk::trimmed(rest)))};
    const auto word = sigrun::sdk::next_word(rest);
    const auto how = word == "="       ? expectation::how::equals
                     : word == "has"   ? expectation::how::has
                     : word == "lacks" ? expectation::how::lacks
                                       : expectation::how::status;
    if (how == expectation::how::status)
        bad("expected KEY = VALUE, has, lacks or KEY: STATUS, found " + std::string(line));
    return {std::string(first), how, json::parse(std::string(sigrun::sdk::trimmed(rest)))};
}

}  // namespace

long evaluate(std::string_view text, long n) { return expression(text, n).value(); }

machine_file load(const std::string& path) {
    machine_file out;
    out.name = fs::path(path).stem();
    const auto all = slurp(path);
    std::string_view rest = all, line;
    std::string calls;
    enum { head, files, call_table, facts } part = head;
    for (int number = 1; sigrun::sdk::next_line(rest, line); ++number) try {
            if (line == "--- files")
                part = files;
            else if (line == "--- calls")
                part = call_table;
            else if (line == "--- facts")
                part = facts;
            else if (part == head && line.starts_with("for: "))
                out.purpose = line.substr(5);
            else if (part == files)
                out.files.append(line) += '\n';
            else if (part == call_table)
                calls.append(line) += '\n';
            else if (part == facts && !line.empty() && line.front() != '#')
                out.facts.push_back(parse_fact(line));
            else if (part == head && !line.empty() && !line.starts_with("trap: ") && !line.starts_with("  "))
                bad("expected for:, trap: or --- files");
        } catch (const std::exception& e) {
            bad(path + ":" + std::to_string(number) + ": " + e.what());
        }
    if (!calls.empty()) out.calls = json::parse(calls).as_object();
    if (out.purpose.empty()) bad(path + ": expected a line for: WHAT IT IS FOR");
    if (out.facts.empty()) bad(path + ": expected facts");
    return out;
}

void unpack(const machine_file& machine, const std::string& folder) {
    std::string_view rest = machine.files, line;
    entry open;  // without a path: none
    const auto finish = [&] {
        if (!open.path.empty()) make_all(folder, open);
        open = {};
    };
    while (sigrun::sdk::next_line(rest, line)) try {
            if (line.starts_with("  ") && !open.path.empty()) {
                open.text.append(line.substr(2)) += '\n';
            } else if (line.starts_with('/')) {
                finish();
                open = parse_entry(line);
            } else if (!line.empty() && line.front() != '#') {
                bad("expected a path or two blanks");
            }
        } catch (const std::exception& e) {
            bad(machine.name + ".tree: " + e.what() + " at: " + std::string(line));
        }
    finish();
}

std::vector<std::string> tree_files() {
    std::vector<std::string> out;
    for (const auto& e : fs::directory_iterator(SIGRUN_SOURCE_DIR "/tests/fixtures/machines"))
        if (e.path().extension() == ".tree") out.push_back(e.path());
    std::sort(out.begin(), out.end());
    return out;
}

}  // namespace machines
