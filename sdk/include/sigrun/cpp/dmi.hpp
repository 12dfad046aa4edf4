// sigrun/cpp/dmi.hpp: the memory part of an SMBIOS table (/sys/firmware/dmi/tables/DMI). Header-only.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sigrun::sdk {

struct dmi_memory {
    std::string type;                    // "DDR4"; empty: firmware does not say, or modules differ
    std::optional<std::uint64_t> speed;  // configured, else rated, MT/s: the slowest module
    std::optional<bool> ecc;
    unsigned modules = 0;
};

/// Walks the structures; a table that ends early or lies about lengths gives what was read until there.
inline dmi_memory parse_dmi_memory(std::string_view table) {
    auto byte = [&](std::size_t at) { return static_cast<unsigned>(static_cast<unsigned char>(table[at])); };
    auto word = [&](std::size_t at) { return byte(at) | byte(at + 1) << 8; };
    auto type_name = [](unsigned code) -> std::string {
        switch (code) {
            case 0x12: return "DDR";
            case 0x13: return "DDR2";
            case 0x18: return "DDR3";
            case 0x1A: return "DDR4";
            case 0x1B: return "LPDDR";
            case 0x1C: return "LPDDR2";
            case 0x1D: return "LPDDR3";
            case 0x1E: return "LPDDR4";
            case 0x20: return "HBM";
            case 0x21: return "HBM2";
            case 0x22: return "DDR5";
            case 0x23: return "LPDDR5";
            case 0x24: return "HBM3";
            default: return {};  // other, unknown, or a plain "RAM" as virtual machines say
        }
    };
    dmi_memory out;
    bool mixed = false;
    std::size_t at = 0;
    while (at + 4 <= table.size()) {
        const unsigned kind = byte(at), length = byte(at + 1);
        if (length < 4 || at + length > table.size() || kind == 127) break;
        if (kind == 16 && length >= 0x07) {
            const unsigned correction = byte(at + 0x06);
            if (correction >= 3 && correction <= 7) out.ecc = out.ecc.value_or(false) || correction >= 5;
        } else if (kind == 17 && length >= 0x15 && word(at + 0x0C) != 0) {  // size 0: an empty slot
            const auto name = type_name(byte(at + 0x12));
            mixed = mixed || (out.modules > 0 && name != out.type);
            out.type = name;
            ++out.modules;
            unsigned speed = length >= 0x17 ? word(at + 0x15) : 0;
            if (length >= 0x22 && word(at + 0x20) != 0) speed = word(at + 0x20);
            if (speed != 0 && speed != 0xFFFF && (!out.speed || speed < *out.speed)) out.speed = speed;
        }
        at += length;
        while (at + 1 < table.size() && (table[at] != '\0' || table[at + 1] != '\0')) ++at;  // the strings
        at += 2;
    }
    if (mixed) out.type.clear();
    return out;
}

}  // namespace sigrun::sdk
