#include "kernel/app/sigrun/table.hpp"

#include "kernel/app/sigrun/cell_text.hpp"

#include <algorithm>
#include <cctype>

namespace sigrun::cli {
namespace {

constexpr std::size_t k_gap = 2;

struct laid_out {
    std::size_t index;
    std::size_t width;
    std::size_t least;
};

std::size_t total(const std::vector<laid_out>& columns, std::size_t laid_out::*which) {
    std::size_t sum = columns.empty() ? 0 : (columns.size() - 1) * k_gap;
    for (const auto& c : columns) sum += c.*which;
    return sum;
}

/// Takes columns away from the widest until the row fits or nothing may be shortened any more.
void shrink(std::vector<laid_out>& columns, std::size_t room) {
    for (std::size_t now = total(columns, &laid_out::width); now > room; --now) {
        laid_out* widest = nullptr;
        for (auto& c : columns)
            if (c.width > c.least && (!widest || c.width > widest->width)) widest = &c;
        if (!widest) return;
        --widest->width;
    }
}

std::string upper(std::string_view text) {
    std::string out(text);
    for (char& c : out) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    return out;
}

}  // namespace

void table::add(std::vector<cell> row) {
    row.resize(columns_.size());
    for (auto& c : row) c.text = printable(c.text);
    rows_.push_back(std::move(row));
}

std::string table::render(const terminal& where, std::string_view indent) const {
    std::vector<laid_out> shown;
    for (std::size_t i = 0; i < columns_.size(); ++i) {
        const std::size_t title = columns_of(columns_[i].title);
        std::size_t widest = 0;
        for (const auto& row : rows_) widest = std::max(widest, columns_of(row[i].text));
        if (widest == 0 && !rows_.empty()) continue;
        widest = std::max(widest, title);
        const bool whole = columns_[i].flags & column::k_whole;
        shown.push_back({i, widest, whole ? widest : std::min<std::size_t>(widest, columns_[i].least)});
    }
    if (where.width) {
        const std::size_t room = where.width > indent.size() ? where.width - indent.size() : 1;
        for (std::size_t i = shown.size(); i-- > 0 && total(shown, &laid_out::least) > room;)
            if (columns_[shown[i].index].flags & column::k_optional)
                shown.erase(shown.begin() + static_cast<std::ptrdiff_t>(i));
        shrink(shown, room);
    }

    std::string out;
    auto line = [&](auto&& cell_of) {
        std::string text(indent);
        for (std::size_t i = 0; i < shown.size(); ++i) {
            const cell c = cell_of(shown[i].index);
            const std::string cut = cut_to(c.text, shown[i].width);
            const std::size_t fill = shown[i].width - std::min(shown[i].width, columns_of(cut));
            const bool last = i + 1 == shown.size();
            if (columns_[shown[i].index].flags & column::k_right) {
                text.append(fill, ' ').append(where.paint(cut, c.how));
            } else {
                text.append(where.paint(cut, c.how));
                if (!last) text.append(fill, ' ');
            }
            if (!last) text.append(k_gap, ' ');
        }
        text.erase(text.find_last_not_of(' ') + 1);
        out.append(text).push_back('\n');
    };
    line([&](std::size_t i) { return cell(upper(columns_[i].title), style::faint); });
    for (const auto& row : rows_) line([&](std::size_t i) { return row[i]; });
    return out;
}

void fields::add(std::string name, cell value) {
    if (value.text.empty()) return;
    value.text = printable(value.text);
    lines_.emplace_back(std::move(name), std::move(value));
}

std::string fields::render(const terminal& where, std::string_view indent) const {
    std::size_t widest = 0;
    for (const auto& [name, value] : lines_) widest = std::max(widest, columns_of(name));
    const std::size_t start = indent.size() + widest + k_gap;
    // Below twenty columns wrapping helps nobody: let the terminal do it.
    const std::size_t room = where.width > start + 20 ? where.width - start : 0;
    std::string out;
    for (const auto& [name, value] : lines_) {
        out.append(indent).append(where.paint(name, style::faint));
        out.append(widest - columns_of(name) + k_gap, ' ');
        std::string_view rest = value.text;
        while (room && columns_of(rest) > room) {
            std::size_t end = 0, space = 0;
            while (end < rest.size() && columns_of(rest.substr(0, end + 1)) <= room) {
                if (rest[end] == ' ') space = end;
                ++end;
            }
            if (!space) break;
            out.append(where.paint(rest.substr(0, space), value.how)).append("\n").append(start, ' ');
            rest.remove_prefix(space + 1);
        }
        out.append(where.paint(rest, value.how)).push_back('\n');
    }
    return out;
}

}  // namespace sigrun::cli
