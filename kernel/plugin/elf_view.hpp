// Bounds-checked reading of an ELF64 file in memory. Nothing here trusts an offset or a count of the file.
#pragma once

#include "kernel/base/result.hpp"

#include <elf.h>

#include <cstring>
#include <string_view>
#include <vector>

namespace sigrun {

class elf_view {
public:
    /// Checks the header, and that program and section headers, loadable segments and sections lie within the
    /// file.
    static result<elf_view> open(std::string_view bytes);

    const std::vector<Elf64_Phdr>& segments() const noexcept { return segments_; }
    const std::vector<Elf64_Shdr>& sections() const noexcept { return sections_; }
    /// Bytes of the file; empty when they do not lie within it.
    std::string_view at(std::uint64_t offset, std::uint64_t size) const noexcept {
        if (offset > bytes_.size() || size > bytes_.size() - offset) return {};
        return bytes_.substr(static_cast<std::size_t>(offset), static_cast<std::size_t>(size));
    }
    /// The NUL-terminated text at `offset` of the string table `table`; empty when it has no end.
    static std::string_view text(std::string_view table, std::uint64_t offset) noexcept {
        if (offset >= table.size()) return {};
        table.remove_prefix(static_cast<std::size_t>(offset));
        std::size_t end = table.find('\0');
        return end == std::string_view::npos ? std::string_view() : table.substr(0, end);
    }
    /// Element `index` of an array of plain structs.
    template <class T>
    static T element(std::string_view array, std::size_t index) noexcept {
        T out{};
        std::memcpy(&out, array.data() + index * sizeof(T), sizeof(T));
        return out;
    }

private:
    std::string_view bytes_;
    std::vector<Elf64_Phdr> segments_;
    std::vector<Elf64_Shdr> sections_;
};

}  // namespace sigrun
