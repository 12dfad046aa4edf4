// A list as `sigrun top` keeps it: rows, their order, what is filtered out, which one is selected. Pure.
#pragma once

#include "kernel/app/sigrun/table.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sigrun::cli::top {

struct list_column {
    std::string name;  // for --sort and JSON
    unsigned flags = column::k_left;
    unsigned least = 8;
    bool by_number = false;
    bool largest_first = false;  // how it is sorted when it is chosen
};

struct list_cell {
    cell shown;  // printable
    std::optional<double> number{};
};

struct list_row {
    std::string key;  // names the row over refreshes
    std::vector<list_cell> cells;
};

/// "r2" before "r10", letters of any case alike; <0, 0, >0.
int compare_naturally(std::string_view a, std::string_view b) noexcept;

/// Sorting n rows costs n log n comparisons when rows, order or filter have changed; everything else is cheap.
class list_model {
public:
    explicit list_model(std::vector<list_column> columns) : columns_(std::move(columns)) {}

    const std::vector<list_column>& columns() const noexcept { return columns_; }
    /// Nothing where there is no such column.
    std::optional<std::size_t> column_named(std::string_view name) const noexcept;

    void set_rows(std::vector<list_row> rows);
    /// Without a column: as the rows came.
    void sort_by(std::optional<std::size_t> which);
    void next_column(int step);
    void reverse();
    std::optional<std::size_t> sorted_by() const noexcept { return sort_; }
    bool reversed() const noexcept { return reversed_; }
    /// Rows with this text in any cell, letters of any case alike.
    void filter(std::string_view text);
    const std::string& filter_text() const noexcept { return filter_; }

    std::size_t all() const noexcept { return rows_.size(); }
    std::size_t shown() const noexcept { return order_.size(); }
    const list_row& at(std::size_t index) const { return rows_[order_[index]]; }

    void move(std::ptrdiff_t by);
    void move_to(std::size_t index);
    std::size_t selected() const noexcept { return selected_; }
    const list_row* selected_row() const { return order_.empty() ? nullptr : &at(selected_); }
    /// The first row of a window of so many lines that has the selected one in it.
    std::size_t window(std::size_t height);

private:
    void arrange();
    bool less(const list_row& a, const list_row& b) const;

    std::vector<list_column> columns_;
    std::vector<list_row> rows_;
    std::vector<std::uint32_t> order_;
    std::optional<std::size_t> sort_;
    bool reversed_ = false;
    std::string filter_;
    std::size_t selected_ = 0, first_ = 0;
};

struct placed_column {
    std::size_t index, x, width;
};
/// Which columns have room in `width` and where; the optional ones go first, from the last on.
std::vector<placed_column> place_columns(const list_model& list, std::size_t first, std::size_t rows,
                                         std::size_t width);

}  // namespace sigrun::cli::top
