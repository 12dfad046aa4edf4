#include "kernel/app/sigrun/top/list_model.hpp"

#include "kernel/app/sigrun/cell_text.hpp"

#include <algorithm>
#include <numeric>

namespace sigrun::cli::top {
namespace {

constexpr std::size_t k_gap = 2;

char lower(char c) noexcept { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }
bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }

bool contains(std::string_view text, std::string_view lowered) {
    return std::search(text.begin(), text.end(), lowered.begin(), lowered.end(),
                       [](char a, char b) { return lower(a) == b; }) != text.end();
}

std::string_view digits_of(std::string_view text, std::size_t at) noexcept {
    std::size_t end = at;
    while (end < text.size() && is_digit(text[end])) ++end;
    while (at + 1 < end && text[at] == '0') ++at;
    return text.substr(at, end - at);
}

}  // namespace

int compare_naturally(std::string_view a, std::string_view b) noexcept {
    std::size_t i = 0, j = 0;
    while (i < a.size() && j < b.size()) {
        if (is_digit(a[i]) && is_digit(b[j])) {
            const auto x = digits_of(a, i), y = digits_of(b, j);
            if (x.size() != y.size()) return x.size() < y.size() ? -1 : 1;
            if (const int by = x.compare(y)) return by;
            i = static_cast<std::size_t>(x.data() - a.data()) + x.size();
            j = static_cast<std::size_t>(y.data() - b.data()) + y.size();
            continue;
        }
        const auto x = static_cast<unsigned char>(lower(a[i++])), y = static_cast<unsigned char>(lower(b[j++]));
        if (x != y) return x < y ? -1 : 1;
    }
    return static_cast<int>(i < a.size()) - static_cast<int>(j < b.size());
}

std::optional<std::size_t> list_model::column_named(std::string_view name) const noexcept {
    for (std::size_t i = 0; i < columns_.size(); ++i)
        if (columns_[i].name == name) return i;
    return std::nullopt;
}

bool list_model::less(const list_row& a, const list_row& b) const {
    const auto &x = a.cells[*sort_], &y = b.cells[*sort_];
    if (columns_[*sort_].by_number) {
        // What is unknown is last, whichever way the rest is turned.
        if (!x.number || !y.number) return x.number && !y.number;
        if (*x.number != *y.number) return reversed_ ? *x.number > *y.number : *x.number < *y.number;
    } else {
        if (x.shown.text.empty() != y.shown.text.empty()) return y.shown.text.empty();
        if (const int by = compare_naturally(x.shown.text, y.shown.text)) return reversed_ ? by > 0 : by < 0;
    }
    return false;
}

void list_model::arrange() {
    // At the top the newest rows are what one wants to see; elsewhere the selection stays with its row.
    const std::string kept = selected_ > 0 && selected_ < order_.size() ? at(selected_).key : std::string();
    order_.clear();
    for (std::uint32_t i = 0; i < rows_.size(); ++i) {
        const auto& cells = rows_[i].cells;
        if (filter_.empty() ||
            std::any_of(cells.begin(), cells.end(), [&](const auto& c) { return contains(c.shown.text, filter_); }))
            order_.push_back(i);
    }
    if (sort_)
        std::stable_sort(order_.begin(), order_.end(), [&](auto a, auto b) { return less(rows_[a], rows_[b]); });
    else if (reversed_)
        std::reverse(order_.begin(), order_.end());
    if (!kept.empty())
        for (std::size_t i = 0; i < order_.size(); ++i)
            if (at(i).key == kept) {
                selected_ = i;
                return;
            }
    selected_ = order_.empty() ? 0 : std::min(selected_, order_.size() - 1);
}

void list_model::set_rows(std::vector<list_row> rows) {
    const std::string kept = selected_ > 0 && !order_.empty() ? at(selected_).key : std::string();
    rows_ = std::move(rows);
    for (auto& row : rows_) row.cells.resize(columns_.size());
    order_.clear();
    arrange();
    for (std::size_t i = 0; !kept.empty() && i < order_.size(); ++i)
        if (at(i).key == kept) selected_ = i;
}

void list_model::sort_by(std::optional<std::size_t> which) {
    sort_ = which;
    reversed_ = which && columns_[*which].largest_first;
    arrange();
}

void list_model::next_column(int step) {
    const auto n = static_cast<int>(columns_.size());
    const int now = sort_ ? static_cast<int>(*sort_) : step > 0 ? -1 : 0;
    sort_by(static_cast<std::size_t>((now + step + n) % n));
}

void list_model::reverse() {
    reversed_ = !reversed_;
    arrange();
}

void list_model::filter(std::string_view text) {
    filter_.clear();
    for (char c : text) filter_ += lower(c);
    arrange();
}

void list_model::move(std::ptrdiff_t by) {
    if (order_.empty()) return;
    const auto last = static_cast<std::ptrdiff_t>(order_.size()) - 1;
    selected_ =
        static_cast<std::size_t>(std::clamp<std::ptrdiff_t>(static_cast<std::ptrdiff_t>(selected_) + by, 0, last));
}

void list_model::move_to(std::size_t index) { selected_ = order_.empty() ? 0 : std::min(index, order_.size() - 1); }

std::size_t list_model::window(std::size_t height) {
    if (selected_ < first_) first_ = selected_;
    if (height && selected_ >= first_ + height) first_ = selected_ - height + 1;
    if (first_ + height > order_.size()) first_ = order_.size() > height ? order_.size() - height : 0;
    return first_;
}

std::vector<placed_column> place_columns(const list_model& list, std::size_t first, std::size_t rows,
                                         std::size_t width) {
    struct measured {
        std::size_t index, width, least;
    };
    std::vector<measured> shown;
    const auto& columns = list.columns();
    for (std::size_t i = 0; i < columns.size(); ++i) {
        std::size_t widest = columns[i].name.size() + (list.sorted_by() == i ? 1 : 0);
        for (std::size_t r = first; r < std::min(first + rows, list.shown()); ++r)
            widest = std::max(widest, columns_of(list.at(r).cells[i].shown.text));
        const bool whole = columns[i].flags & column::k_whole;
        shown.push_back({i, widest, whole ? widest : std::min<std::size_t>(widest, columns[i].least)});
    }
    const auto total = [&](std::size_t measured::*which) {
        std::size_t sum = shown.empty() ? 0 : (shown.size() - 1) * k_gap;
        for (const auto& c : shown) sum += c.*which;
        return sum;
    };
    for (std::size_t i = shown.size(); i-- > 0 && total(&measured::least) > width;)
        if (columns[shown[i].index].flags & column::k_optional)
            shown.erase(shown.begin() + static_cast<std::ptrdiff_t>(i));
    while (total(&measured::width) > width) {
        measured* widest = nullptr;
        for (auto& c : shown)
            if (c.width > c.least && (!widest || c.width > widest->width)) widest = &c;
        if (!widest) break;
        --widest->width;
    }
    std::vector<placed_column> out;
    std::size_t x = 0;
    for (const auto& c : shown) {
        if (x >= width) break;
        out.push_back({c.index, x, std::min(c.width, width - x)});
        x += c.width + k_gap;
    }
    return out;
}

}  // namespace sigrun::cli::top
