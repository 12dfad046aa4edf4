// Aligned tables for a terminal. Pure: rows in, text out. Cells are made printable here.
#pragma once

#include "kernel/app/sigrun/terminal.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace sigrun::cli {

struct cell {
    std::string text;
    style how = style::plain;
    cell(std::string t = {}, style s = style::plain) : text(std::move(t)), how(s) {}
    cell(std::string_view t, style s = style::plain) : text(t), how(s) {}
    cell(const char* t, style s = style::plain) : text(t), how(s) {}
};

struct column {
    enum : unsigned char {
        k_left = 0,
        k_right = 1,
        k_whole = 2,     // never shortened
        k_optional = 4,  // left out (the last ones first) where the terminal is too narrow
    };
    std::string title;
    unsigned flags = k_left;
    unsigned least = 8;  // shortened down to this many columns
};

class table {
public:
    explicit table(std::vector<column> columns) : columns_(std::move(columns)) {}
    /// Missing cells are empty, more than there are columns are ignored.
    void add(std::vector<cell> row);
    bool empty() const noexcept { return rows_.empty(); }
    /// With a header line. Columns are two spaces apart; no line is wider than the terminal unless even the
    /// shortest form does not fit. A column in which every cell is empty is left out.
    std::string render(const terminal& where, std::string_view indent = {}) const;

private:
    std::vector<column> columns_;
    std::vector<std::vector<cell>> rows_;
};

/// "name   value" lines with aligned values; long values are wrapped under themselves at spaces.
class fields {
public:
    void add(std::string name, cell value);  // an empty value is left out
    std::string render(const terminal& where, std::string_view indent = {}) const;

private:
    std::vector<std::pair<std::string, cell>> lines_;
};

}  // namespace sigrun::cli
