#include "second_version.hpp"

#include "kernel/plugin/elf_view.hpp"

#include <cstring>

namespace sigrun::check {

using sdk::concat;

other_version with_other_version(const subject& file, const library& loaded, unsigned turn) {
    other_version out;
    const auto* entry = loaded.entry();
    auto elf = elf_view::open(file.bytes);
    if (!entry || !elf || !entry->version.len) {
        out.why = "it has no descriptor";
        return out;
    }
    out.version = std::string(sdk::view(entry->version));
    char& last = out.version.back();
    const char wanted = static_cast<char>('0' + turn % 10);
    last = last == wanted ? static_cast<char>('0' + (turn + 1) % 10) : wanted;

    std::string bytes = file.bytes;
    // The descriptor's text lies somewhere in a loaded segment.
    const auto address = reinterpret_cast<std::uintptr_t>(entry->version.ptr) - loaded.base();
    bool patched = false;
    for (const auto& segment : elf->segments()) {
        if (segment.p_type != PT_LOAD || address < segment.p_vaddr) continue;
        const auto offset = address - segment.p_vaddr;
        if (offset + entry->version.len > segment.p_filesz) continue;
        bytes.replace(static_cast<std::size_t>(segment.p_offset + offset), out.version.size(), out.version);
        patched = true;
    }
    if (!patched) {
        out.why = "its version is not part of the file";
        return out;
    }
    // The note: owner "Sigrun", then the descriptor with the version behind the id.
    for (const auto& segment : elf->segments()) {
        if (segment.p_type != PT_NOTE) continue;
        const auto notes = elf->at(segment.p_offset, segment.p_filesz);
        const auto owner = notes.find(std::string_view(SIGRUN_NOTE_OWNER "\0", 8));
        if (owner == notes.npos) continue;
        const auto at = segment.p_offset + owner + 8 + offsetof(sigrun_note_desc, version);
        bytes.replace(static_cast<std::size_t>(at), out.version.size(), out.version);
        out.bytes = std::move(bytes);
        return out;
    }
    out.why = "its note was not found";
    return out;
}

subject as_version(const subject& file, const other_version& other) {
    subject out = file;
    out.bytes = other.bytes;
    out.note.version = other.version;
    return out;
}

}  // namespace sigrun::check
