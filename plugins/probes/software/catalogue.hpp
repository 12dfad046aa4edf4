// The programs this probe knows: which language or tool each stands for, and how it says its version. Constant data.
#pragma once

#include <span>
#include <string_view>

namespace sigrun::software {

struct known_program {
    std::string_view program;     // file name in a program folder, without a version: "gcc" also stands for "gcc-12"
    std::string_view lang;        // name in lang[], empty = not there
    std::string_view tool;        // name in tool[], empty = not there
    std::string_view packages{};  // packages that ship it under another name, with one * each: "openjdk-*-jre-headless"
    std::string_view arguments = "--version";  // make it say its version and do nothing else; empty = it is never run
    bool numbered = true;                      // "gcc-12" is gcc 12; but "pip3.11" is not pip 3.11
    bool packaged = true;                      // false: packages of that name carry versions of their own
};

std::span<const known_program> catalogue() noexcept;
/// What a file of this name is: "gcc", "gcc-12", "python3.11"; null if it is not known.
const known_program* known(std::string_view file_name) noexcept;
/// The version at the end of a file name: "12" of "gcc-12", "3.11" of "python3.11"; else empty.
std::string_view version_in_name(std::string_view file_name) noexcept;

}  // namespace sigrun::software
