#include "kernel/plugin/elf_view.hpp"

#include <string>

namespace sigrun {
namespace {

#if defined(__x86_64__)
constexpr Elf64_Half k_machine = EM_X86_64;
#elif defined(__aarch64__)
constexpr Elf64_Half k_machine = EM_AARCH64;
#elif defined(__riscv)
constexpr Elf64_Half k_machine = EM_RISCV;
#elif defined(__powerpc64__)
constexpr Elf64_Half k_machine = EM_PPC64;
#elif defined(__s390x__)
constexpr Elf64_Half k_machine = EM_S390;
#else
#error "unknown machine: add its ELF number"
#endif
constexpr unsigned char k_data = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? ELFDATA2LSB : ELFDATA2MSB;

problem truncated(std::string what, std::uint64_t needed, std::size_t size) {
    return bad_value(std::move(what), "up to byte " + std::to_string(needed),
                     "a file of " + std::to_string(size) + " bytes");
}

// The end of [offset, offset + size), or the largest number when that overflows.
std::uint64_t end_of(std::uint64_t offset, std::uint64_t size) noexcept {
    return size > UINT64_MAX - offset ? UINT64_MAX : offset + size;
}

/// With the name that `uname -m` uses, where it is a usual one.
std::string machine_name(std::uint16_t machine) {
    const char* name = machine == EM_X86_64    ? "x86_64"
                       : machine == EM_AARCH64 ? "aarch64"
                       : machine == EM_386     ? "i386"
                       : machine == EM_ARM     ? "arm"
                       : machine == EM_RISCV   ? "riscv64"
                       : machine == EM_PPC64   ? "ppc64"
                       : machine == EM_S390    ? "s390x"
                                               : nullptr;
    const std::string number = std::to_string(machine);
    return name ? name + (" (" + number + ")") : number;
}

}  // namespace

result<elf_view> elf_view::open(std::string_view bytes) {
    elf_view out;
    out.bytes_ = bytes;
    if (bytes.substr(0, SELFMAG) != ELFMAG)
        return bad_value("file", "an ELF shared library", bytes.empty() ? "an empty file" : "something else");
    if (bytes.size() < sizeof(Elf64_Ehdr)) return truncated("ELF header", sizeof(Elf64_Ehdr), bytes.size());
    auto head = element<Elf64_Ehdr>(bytes, 0);
    if (head.e_ident[EI_CLASS] != ELFCLASS64)
        return bad_value("ELF class", "64-bit", "class " + std::to_string(head.e_ident[EI_CLASS]));
    if (head.e_ident[EI_DATA] != k_data)
        return bad_value("ELF byte order", std::to_string(k_data), std::to_string(head.e_ident[EI_DATA]));
    if (head.e_machine != k_machine)
        return bad_value("ELF machine", machine_name(k_machine), machine_name(head.e_machine));
    if (head.e_type != ET_DYN) return bad_value("ELF type", "shared library (3)", std::to_string(head.e_type));
    if (head.e_phentsize != sizeof(Elf64_Phdr) || head.e_phnum == 0)
        return bad_value("program headers", "some of 56 bytes each",
                         std::to_string(head.e_phnum) + " of " + std::to_string(head.e_phentsize));

    auto programs = out.at(head.e_phoff, std::uint64_t{head.e_phnum} * sizeof(Elf64_Phdr));
    if (programs.empty())
        return truncated("program headers", end_of(head.e_phoff, head.e_phnum * sizeof(Elf64_Phdr)), bytes.size());
    for (std::size_t i = 0; i < head.e_phnum; ++i) {
        auto segment = element<Elf64_Phdr>(programs, i);
        bool in_file = segment.p_type == PT_LOAD || segment.p_type == PT_DYNAMIC || segment.p_type == PT_NOTE;
        if (in_file && end_of(segment.p_offset, segment.p_filesz) > bytes.size())
            return truncated("segment " + std::to_string(i), end_of(segment.p_offset, segment.p_filesz), bytes.size());
        if (segment.p_type == PT_LOAD && segment.p_filesz > segment.p_memsz)
            return bad_value("segment " + std::to_string(i), "no more bytes in the file than in memory", "more");
        out.segments_.push_back(segment);
    }

    if (head.e_shnum == 0 || head.e_shentsize != sizeof(Elf64_Shdr))
        return bad_value("section headers", "some of 64 bytes each",
                         std::to_string(head.e_shnum) + " of " + std::to_string(head.e_shentsize));
    auto sections = out.at(head.e_shoff, std::uint64_t{head.e_shnum} * sizeof(Elf64_Shdr));
    if (sections.empty())
        return truncated("section headers", end_of(head.e_shoff, head.e_shnum * sizeof(Elf64_Shdr)), bytes.size());
    for (std::size_t i = 0; i < head.e_shnum; ++i) {
        auto section = element<Elf64_Shdr>(sections, i);
        if (section.sh_type != SHT_NOBITS && section.sh_type != SHT_NULL &&
            end_of(section.sh_offset, section.sh_size) > bytes.size())
            return truncated("section " + std::to_string(i), end_of(section.sh_offset, section.sh_size), bytes.size());
        out.sections_.push_back(section);
    }
    return out;
}

}  // namespace sigrun
