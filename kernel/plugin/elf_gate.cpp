#include "kernel/plugin/elf_gate.hpp"

#include "kernel/plugin/elf_view.hpp"

#include <sigrun/plugin.h>

#include <algorithm>
#include <optional>

namespace sigrun {
namespace {

constexpr std::string_view k_owner{SIGRUN_NOTE_OWNER, sizeof(SIGRUN_NOTE_OWNER)};  // with its NUL, as in the note
constexpr std::string_view k_entry_prefix = "sigrun_plugin_entry_v";

template <std::size_t N>
std::optional<std::string> padded_text(const char (&field)[N]) {
    std::string_view text(field, N);
    std::size_t end = text.find('\0');
    if (end == std::string_view::npos || end == 0) return std::nullopt;
    for (char c : text.substr(0, end))
        if (c <= 0x20 || c > 0x7e) return std::nullopt;
    return std::string(text.substr(0, end));
}

// The descriptor of the first Sigrun note in one PT_NOTE segment.
std::optional<std::string_view> find_note(std::string_view segment, std::uint64_t align) {
    align = align == 8 ? 8 : 4;
    auto padded = [align](std::uint64_t n) { return (n + align - 1) / align * align; };
    std::uint64_t at = 0;
    while (segment.size() >= sizeof(Elf64_Nhdr) && at <= segment.size() - sizeof(Elf64_Nhdr)) {
        Elf64_Nhdr head{};
        std::memcpy(&head, segment.data() + at, sizeof head);
        const std::uint64_t name = at + sizeof head;
        const std::uint64_t desc = name + padded(head.n_namesz);
        if (desc > segment.size() || head.n_descsz > segment.size() - desc) return std::nullopt;
        if (head.n_type == SIGRUN_NOTE_TYPE && segment.substr(name, head.n_namesz) == k_owner)
            return segment.substr(desc, head.n_descsz);
        at = desc + padded(head.n_descsz);
    }
    return std::nullopt;
}

result<plugin_identity> read_note(const elf_view& elf) {
    std::optional<std::string_view> desc;
    for (const auto& segment : elf.segments())
        if (segment.p_type == PT_NOTE && !desc)
            desc = find_note(elf.at(segment.p_offset, segment.p_filesz), segment.p_align);
    if (!desc) return bad_value("note .note.sigrun", "a Sigrun plugin's note", "none");
    if (desc->size() < sizeof(sigrun_note_desc))
        return bad_value("note .note.sigrun", std::to_string(sizeof(sigrun_note_desc)) + " bytes",
                         std::to_string(desc->size()));
    sigrun_note_desc note{};
    std::memcpy(&note, desc->data(), sizeof note);
    if (note.abi_major != SIGRUN_ABI_MAJOR)
        return bad_value("ABI major of the note", std::to_string(SIGRUN_ABI_MAJOR), std::to_string(note.abi_major));
    if (note.min_host_minor > SIGRUN_ABI_MINOR)
        return bad_value("ABI minor of this host", "at least " + std::to_string(note.min_host_minor),
                         std::to_string(SIGRUN_ABI_MINOR));
    auto id = padded_text(note.id);
    auto version = padded_text(note.version);
    auto sdk = padded_text(note.sdk_version);
    if (!id || !is_plugin_id(*id))
        return bad_value("note's id", "a name such as com.vendor.name", id.value_or("no text"));
    if (!version) return bad_value("note's version", "a version such as 1.2.0", "no text");
    return plugin_identity{
        *id, *version, sdk.value_or("unknown"), note.abi_major, note.abi_minor, note.min_host_minor, note.flags, 0};
}

result<void> check_symbols(const elf_view& elf, plugin_identity& out) {
    const Elf64_Shdr* table = nullptr;
    for (const auto& section : elf.sections())
        if (section.sh_type == SHT_DYNSYM) table = &section;
    if (!table || table->sh_entsize != sizeof(Elf64_Sym) || table->sh_link >= elf.sections().size())
        return bad_value("dynamic symbols", "a table of 24-byte entries", table ? "another one" : "none");
    const auto& strings_header = elf.sections()[table->sh_link];
    if (strings_header.sh_type != SHT_STRTAB)
        return bad_value("dynamic symbol names", "a string table", "another section");
    std::string_view symbols = elf.at(table->sh_offset, table->sh_size);
    std::string_view names = elf.at(strings_header.sh_offset, strings_header.sh_size);

    bool entry = false;
    std::string other_entry, other;
    std::size_t others = 0;
    for (std::size_t i = 0; i < symbols.size() / sizeof(Elf64_Sym); ++i) {
        auto symbol = elf_view::element<Elf64_Sym>(symbols, i);
        auto bind = ELF64_ST_BIND(symbol.st_info);
        if (bind == STB_GNU_UNIQUE) ++out.unique_symbols;
        if (symbol.st_shndx == SHN_UNDEF || bind == STB_LOCAL) continue;
        std::string_view name = elf_view::text(names, symbol.st_name);
        if (name == SIGRUN_ENTRY_SYMBOL && ELF64_ST_TYPE(symbol.st_info) == STT_FUNC) {
            entry = true;
        } else {
            if (name.starts_with(k_entry_prefix)) other_entry = name.substr(0, 80);
            if (others++ == 0) other = name.substr(0, 80);
        }
    }
    if (!entry && !other_entry.empty())
        return bad_value("exported function", std::string(SIGRUN_ENTRY_SYMBOL) + " (this host's ABI major)",
                         other_entry + ": built for another major");
    if (!entry) return bad_value("exported function", SIGRUN_ENTRY_SYMBOL, "none of that name");
    if (others)
        return bad_value("exported symbols",
                         std::string("only ") + SIGRUN_ENTRY_SYMBOL + " (use the version script plugin.map)",
                         std::to_string(others) + " more, e.g. " + other);
    return {};
}

// What the dynamic loader would be told to do beyond mapping: write to the code, or look for libraries where somebody else
// may put them.
result<void> check_dynamic(const elf_view& elf) {
    for (const auto& section : elf.sections()) {
        if (section.sh_type != SHT_DYNAMIC) continue;
        const auto entries = elf.at(section.sh_offset, section.sh_size);
        std::string_view names;
        if (section.sh_link < elf.sections().size()) {
            const auto& strings = elf.sections()[section.sh_link];
            names = elf.at(strings.sh_offset, strings.sh_size);
        }
        for (std::size_t i = 0; i < entries.size() / sizeof(Elf64_Dyn); ++i) {
            const auto entry = elf_view::element<Elf64_Dyn>(entries, i);
            if (entry.d_tag == DT_NULL) break;
            if (entry.d_tag == DT_TEXTREL || (entry.d_tag == DT_FLAGS && (entry.d_un.d_val & DF_TEXTREL)))
                return bad_value("relocations", "none in the code (-fPIC)", "some");
            if (entry.d_tag != DT_RUNPATH && entry.d_tag != DT_RPATH) continue;
            for (auto rest = elf_view::text(names, entry.d_un.d_val); !rest.empty();) {
                const auto one = rest.substr(0, rest.find(':'));
                if (one != "$ORIGIN" && !one.starts_with("$ORIGIN/"))
                    return bad_value("library search path", "none but $ORIGIN", std::string(one.substr(0, 80)));
                rest.remove_prefix(std::min(one.size() + 1, rest.size()));
            }
        }
    }
    return {};
}

// The loader takes a library that does not say for one that needs an executable stack.
result<void> check_stack(const elf_view& elf) {
    const char* found = "executable, as nothing says otherwise";
    for (const auto& segment : elf.segments())
        if (segment.p_type == PT_GNU_STACK) found = segment.p_flags & PF_X ? "executable" : nullptr;
    if (!found) return {};
    return bad_value("stack", "not executable (-z noexecstack)", found);
}

}  // namespace

bool is_plugin_id(std::string_view text) noexcept {
    if (text.empty() || text.size() > 63 || text.front() == '.' || text.front() == '-') return false;
    for (char c : text)
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-')) return false;
    return true;
}

result<plugin_identity> inspect_plugin(std::string_view file_bytes) {
    SIGRUN_TRY(elf, elf_view::open(file_bytes));
    SIGRUN_CHECK_OK(check_stack(elf));
    SIGRUN_CHECK_OK(check_dynamic(elf));
    SIGRUN_TRY(identity, read_note(elf));
    SIGRUN_CHECK_OK(check_symbols(elf, identity));
    return identity;
}

}  // namespace sigrun
