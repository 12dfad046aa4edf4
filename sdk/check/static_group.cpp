// Looks at the file's bytes; runs nothing of it.
#include "kernel/plugin/elf_view.hpp"
#include "session.hpp"

#include <sigrun/cpp/text.hpp>
#include <sigrun/plugin.h>

#include <optional>

namespace sigrun::check {
namespace {

using sdk::concat;

/// The dynamic section's entries, and its string table.
struct dynamic {
    std::vector<Elf64_Dyn> entries;
    std::string_view strings;

    std::optional<std::uint64_t> value(std::int64_t tag) const {
        for (const auto& e : entries)
            if (e.d_tag == tag) return e.d_un.d_val;
        return std::nullopt;
    }
    std::vector<std::string> texts(std::int64_t tag) const {
        std::vector<std::string> out;
        for (const auto& e : entries)
            if (e.d_tag == tag) out.emplace_back(elf_view::text(strings, e.d_un.d_val));
        return out;
    }
};

dynamic read_dynamic(const elf_view& elf) {
    dynamic out;
    for (const auto& section : elf.sections()) {
        if (section.sh_type != SHT_DYNAMIC || section.sh_link >= elf.sections().size()) continue;
        const auto bytes = elf.at(section.sh_offset, section.sh_size);
        const auto& strings = elf.sections()[section.sh_link];
        out.strings = elf.at(strings.sh_offset, strings.sh_size);
        for (std::size_t i = 0; i < bytes.size() / sizeof(Elf64_Dyn); ++i) {
            auto e = elf_view::element<Elf64_Dyn>(bytes, i);
            if (e.d_tag == DT_NULL) break;
            out.entries.push_back(e);
        }
    }
    return out;
}

void check_hardening(reporter& report, const elf_view& elf, const dynamic& dyn) {
    const bool textrel = dyn.value(DT_TEXTREL).has_value() || (dyn.value(DT_FLAGS).value_or(0) & DF_TEXTREL);
    if (textrel) {
        report.fail("static/textrel", "position independent code (-fPIC)", "relocations in the code");
    } else {
        report.pass("static/textrel");
    }
    std::string executable;
    bool relro = false, build_id = false;
    for (const auto& segment : elf.segments()) {
        if (segment.p_type == PT_GNU_STACK && (segment.p_flags & PF_X)) executable = "an executable stack";
        if (segment.p_type == PT_LOAD && (segment.p_flags & PF_X) && (segment.p_flags & PF_W))
            executable = "a segment that is writable and executable";
        relro = relro || segment.p_type == PT_GNU_RELRO;
        if (segment.p_type != PT_NOTE) continue;
        const auto notes = elf.at(segment.p_offset, segment.p_filesz);
        build_id = build_id || notes.find(std::string_view("\3\0\0\0GNU\0", 8)) != notes.npos;
    }
    if (executable.empty()) {
        report.pass("static/no-executable-data");
    } else {
        report.fail("static/no-executable-data", "nothing both writable and executable (-Wl,-z,noexecstack)",
                    executable);
    }
    const bool now = dyn.value(DT_BIND_NOW).has_value() || (dyn.value(DT_FLAGS).value_or(0) & DF_BIND_NOW) ||
                     (dyn.value(DT_FLAGS_1).value_or(0) & DF_1_NOW);
    if (relro && now) {
        report.pass("static/relro-now");
    } else {
        report.fail("static/relro-now", "-Wl,-z,relro -Wl,-z,now", relro ? "lazy binding" : "no RELRO segment");
    }
    if (build_id) {
        report.pass("static/build-id");
    } else {
        report.warn("static/build-id", "a build id (-Wl,--build-id)", "none");
    }
}

void check_dependencies(reporter& report, const dynamic& dyn) {
    std::string bad;
    for (const auto& name : dyn.texts(DT_NEEDED))
        if (name.empty() || name.find('/') != name.npos) bad += concat(bad.empty() ? "" : ", ", "\"", name, "\"");
    if (bad.empty()) {
        report.pass("static/needed");
    } else {
        report.fail("static/needed", "library names without a path", bad);
    }
    bad.clear();
    for (std::int64_t tag : {std::int64_t{DT_RUNPATH}, std::int64_t{DT_RPATH}})
        for (const auto& paths : dyn.texts(tag))
            for (std::size_t at = 0; at <= paths.size();) {
                const auto end = std::min(paths.find(':', at), paths.size());
                const auto one = paths.substr(at, end - at);
                if (one != "$ORIGIN" && !one.starts_with("$ORIGIN/"))
                    bad += concat(bad.empty() ? "" : ", ", "\"", one, "\"");
                at = end + 1;
            }
    if (bad.empty()) {
        report.pass("static/runpath");
    } else {
        report.fail("static/runpath", "no search path but $ORIGIN", bad);
    }
}

std::size_t unique_symbols(const elf_view& elf) {
    std::size_t n = 0;
    for (const auto& section : elf.sections()) {
        if (section.sh_type != SHT_DYNSYM || section.sh_entsize != sizeof(Elf64_Sym)) continue;
        const auto symbols = elf.at(section.sh_offset, section.sh_size);
        for (std::size_t i = 0; i < symbols.size() / sizeof(Elf64_Sym); ++i)
            n += ELF64_ST_BIND(elf_view::element<Elf64_Sym>(symbols, i).st_info) == STB_GNU_UNIQUE;
    }
    return n;
}

// Which rule the loader's own gate speaks of.
std::string_view rule_of(const problem& why) {
    const std::string_view field = why.field;
    if (field == "stack") return "static/no-executable-data";
    if (field == "relocations") return "static/textrel";
    if (field == "library search path") return "static/runpath";
    if (field.starts_with("ABI m")) return "static/abi";
    if (field.starts_with("note")) return "static/note";
    if (field.starts_with("exported")) return "static/one-export";
    return "static/elf";
}

void look(session& s) {
    auto& report = s.report;
    constexpr std::size_t k_max = 256u << 20;
    if (s.file.bytes.size() > k_max)
        report.fail("static/size", "at most 256 MiB", concat(s.file.bytes.size(), " bytes"));
    else
        report.pass("static/size", concat(s.file.bytes.size(), " bytes"));
    auto elf = elf_view::open(s.file.bytes);
    if (!elf) {
        report.fail("static/elf", elf.error().expected, concat(elf.error().field, ": ", elf.error().found));
        return;
    }
    const auto dyn = read_dynamic(*elf);
    check_hardening(report, *elf, dyn);
    check_dependencies(report, dyn);
    // Counted here, because the gate below stops at the first export too many.
    if (const auto n = unique_symbols(*elf))
        report.fail("static/unique", "no symbol of binding GNU_UNIQUE (-fno-gnu-unique, version script)", concat(n));
    else
        report.pass("static/unique");
    auto identity = inspect_plugin(s.file.bytes);
    if (!identity) {
        const auto rule_id = rule_of(identity.error());
        report.fail(rule_id, identity.error().expected, concat(identity.error().field, ": ", identity.error().found));
        if (rule_id != "static/elf") report.pass("static/elf");
        return;
    }
    for (auto id : {"static/elf", "static/note", "static/abi", "static/one-export"}) report.pass_unless_told(id);
}

}  // namespace

std::vector<test> static_tests() {
    return {{"file",
             {"static/elf", "static/size", "static/note", "static/abi", "static/one-export", "static/unique",
              "static/textrel", "static/no-executable-data", "static/needed", "static/runpath", "static/relro-now",
              "static/build-id"},
             &look}};
}

}  // namespace sigrun::check
