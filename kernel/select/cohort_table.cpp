#include "kernel/select/cohort_table.hpp"

#include <xxhash.h>

#include <algorithm>
#include <bit>
#include <cmath>

namespace sigrun {
namespace {

constexpr std::size_t k_most_spares = 256;
constexpr std::size_t k_few_values = 64;  // a label with more values, and more than 1/16 of the runners, is left out

void add(std::string& to, std::string_view text) {
    to += text;
    to += '\0';
}

template <class T>
void erase_value(std::vector<T>& v, T value) {
    if (auto at = std::find(v.begin(), v.end(), value); at != v.end()) {
        *at = v.back();
        v.pop_back();
    }
}

}  // namespace

cohort_table::cohort_table(slot_index& index, zone_board& zones) : index_(index), zones_(zones) {}

std::uint16_t cohort_table::zone_of(const runner_profile& p) const {
    if (!p.labels) return 0;
    const auto label = p.labels->find("zone");
    return label == p.labels->end() ? std::uint16_t{0} : zones_.intern(label->second);
}

signature cohort_table::sign(const runner_profile& p) const {
    std::string text;
    if (p.facts) text.append(p.facts->cohort().begin(), p.facts->cohort().end());
    text += '\1';
    if (p.labels)
        for (const auto& [name, value] : *p.labels) {
            add(text, name);
            if (is_open(name))
                text += '\2';
            else
                add(text, value);
        }
    text += '\1';
    for (std::uint32_t n :
         {std::uint32_t{p.protocols}, std::uint32_t{p.places}, std::uint32_t{p.weight}, std::uint32_t{zone_of(p)}})
        add(text, std::to_string(n));
    const XXH128_hash_t h = XXH3_128bits(text.data(), text.size());
    return {h.high64, h.low64};
}

std::uint16_t cohort_table::usual_of(std::uint16_t places) const noexcept {
    constexpr std::uint16_t k_few_places = 5;
    constexpr double k_most = 0x7fff;  // what a page's facts have room for
    if (places < k_few_places) return places;
    return static_cast<std::uint16_t>(std::clamp(std::floor(usual_share_ * places + 1e-9), 1.0, k_most));
}

void cohort_table::set_usual_share(double share, bool reserved) {
    if (share == usual_share_ && reserved == reserved_) return;
    usual_share_ = share;
    reserved_ = reserved;
    for (auto& [id, c] : cohorts_) {
        c.page.usual = usual_of(c.page.places);
        c.page.reserved = reserved;
        for (std::uint32_t page : c.pages) {
            index_.set_page(page, c.page);
            for (std::uint64_t rest = taken_[page]; rest; rest &= rest - 1)
                index_.repair(page * 64 + static_cast<std::uint32_t>(std::countr_zero(rest)));
        }
    }
}

bool cohort_table::has_open(const label_map& labels) const {
    return !open_.empty() &&
           std::any_of(labels.begin(), labels.end(), [&](const auto& label) { return is_open(label.first); });
}

void cohort_table::count_labels(const label_map* labels, int change) {
    if (!labels) return;
    if (change > 0)
        ++labelled_;
    else
        --labelled_;
    for (const auto& [name, value] : *labels) {
        auto& values = label_values_[name];
        if (change > 0) {
            ++values[value];
            if (values.size() > k_few_values && values.size() > labelled_ / 16) open_.insert(name);
        } else if (auto at = values.find(value); at != values.end() && --at->second == 0) {
            values.erase(at);
            if (values.empty()) label_values_.erase(name);
        }
    }
}

std::optional<std::uint32_t> cohort_table::take_page() {
    std::uint32_t page = 0;
    if (!free_pages_.empty()) {
        page = free_pages_.back();
        free_pages_.pop_back();
    } else if (n_pages_ < index_.max_pages()) {
        page = n_pages_++;
        page_owner_.push_back(0);
        taken_.push_back(0);
        turn_.push_back(0);
    } else {
        return std::nullopt;
    }
    return page;
}

std::optional<cohort_table::placement> cohort_table::place(const runner_profile& p, const signature& s) {
    auto at = by_signature_.find(s);
    placement out;
    const bool new_cohort = at == by_signature_.end();
    out.new_page = new_cohort || cohorts_[at->second].roomy.empty();
    std::uint32_t page = 0;
    if (out.new_page) {
        const auto taken = take_page();
        if (!taken) return std::nullopt;
        page = *taken;
    }
    if (new_cohort) {
        if (free_cohorts_.empty()) {
            out.cohort = n_cohorts_++;
        } else {
            out.cohort = free_cohorts_.back();
            free_cohorts_.pop_back();
        }
        cohort& c = cohorts_[out.cohort];
        c.key = s;
        c.facts = p.facts;
        c.labels = p.labels;
        c.page = {p.places, p.protocols, usual_of(p.places), reserved_, p.weight};
        c.zone = zone_of(p);
        if (p.labels)
            for (const auto& [name, value] : *p.labels)
                if (is_open(name)) c.open_labels.push_back(name);
        by_signature_[s] = out.cohort;
        facets_.add(out.cohort, c);
    } else {
        out.cohort = at->second;
    }
    cohort& c = cohorts_[out.cohort];
    if (out.new_page) {
        page_owner_[page] = out.cohort;
        c.pages.push_back(page);
        c.roomy.push_back(page);
        index_.assign_page(page, out.cohort, c.page);
    } else {
        page = c.roomy.back();
    }
    if (!c.runners && !out.new_page) spares_.erase(c.spare);
    const std::uint8_t turn = turn_[page];
    const std::uint64_t free = std::rotr(~taken_[page], turn);
    const auto bit = (static_cast<std::uint32_t>(std::countr_zero(free)) + turn) & 63u;
    turn_[page] = static_cast<std::uint8_t>((bit + 1) & 63u);
    taken_[page] |= 1ull << bit;
    if (taken_[page] == ~0ull) erase_value(c.roomy, page);
    out.slot = page * 64 + bit;
    ++c.runners;
    publish(out.cohort, c);
    return out;
}

void cohort_table::free_page(cohort& c, std::uint32_t page) {
    erase_value(c.pages, page);
    erase_value(c.roomy, page);
    free_pages_.push_back(page);
}

std::optional<std::uint32_t> cohort_table::vacate(std::uint32_t slot) {
    const std::uint32_t page = page_of(slot), id = page_owner_[page];
    cohort& c = cohorts_[id];
    if (taken_[page] == ~0ull) c.roomy.push_back(page);
    taken_[page] &= ~bit_of(slot);
    --c.runners;
    const bool emptied = taken_[page] == 0, others = c.pages.size() > 1;
    if (emptied && others) free_page(c, page);
    if (emptied && !others) c.spare = spares_.insert(spares_.end(), id);
    publish(id, c);
    if (emptied && others) return page;
    const std::size_t most = std::min<std::size_t>(k_most_spares, index_.max_pages() / 8);
    return spares_.size() > most ? give_up_spare() : std::nullopt;
}

std::optional<std::uint32_t> cohort_table::give_up_spare() {
    if (spares_.empty()) return std::nullopt;
    const std::uint32_t id = spares_.front();
    spares_.pop_front();
    cohort& c = cohorts_[id];
    const std::uint32_t page = c.pages.front();
    free_page(c, page);
    publish(id, c);
    by_signature_.erase(c.key);
    facets_.remove(id, c);
    cohorts_.erase(id);
    free_cohorts_.push_back(id);
    return page;
}

void cohort_table::publish(std::uint32_t id, const cohort& c) noexcept {
    sigrun_cohort& out = index_.cohort(id);
    auto put = [](auto& field, auto value) {
        using field_type = std::remove_reference_t<decltype(field)>;
        std::atomic_ref<field_type>(field).store(static_cast<field_type>(value), std::memory_order_relaxed);
    };
    put(out.pages_off, c.pages.empty() ? 0 : c.pages.front());
    put(out.n_pages, c.pages.size());
    put(out.n_runners, c.runners);
    put(out.protos, c.page.protocols);
    put(out.places, c.page.places);
    put(out.weight, c.page.weight);
    put(out.zone, c.zone);
}

}  // namespace sigrun
