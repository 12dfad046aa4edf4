// Groups runners that no requirement over shared facts can tell apart, and gives each group pages of 64
// slots. Serialised by the selector.
//
// The signature of a cohort: fact_sheet::cohort, labels, zone, protocols, places, weight, and the names of the facts
// outside class_hash, so that every runner of a cohort has the same keys. A label with many values (a host's
// name) would put every runner into a cohort of its own; such labels are left out of the signature and looked
// at slot by slot.
#pragma once

#include "kernel/select/cohort_facets.hpp"
#include "kernel/select/selector.hpp"
#include "kernel/select/slot_index.hpp"
#include "kernel/select/zones.hpp"

#include <array>
#include <bit>
#include <list>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

namespace sigrun {

using signature = std::array<std::uint64_t, 2>;

struct cohort {
    signature key{};
    sheet_ptr facts;  // of some runner: what class_hash covers is the same for all
    std::shared_ptr<const label_map> labels;
    std::vector<std::string> open_labels;  // present, but not in the signature; sorted
    page_facts page{};
    std::uint16_t zone = 0;
    std::uint32_t runners = 0;
    std::vector<std::uint32_t> pages;
    std::vector<std::uint32_t> roomy;            // pages with a free slot
    std::list<std::uint32_t>::iterator spare{};  // its place among those without runners; only if it has none
};

class cohort_table {
public:
    cohort_table(slot_index& index, zone_board& zones);

    struct placement {
        std::uint32_t slot = 0, cohort = 0;
        bool new_page = false;
    };
    signature sign(const runner_profile& p) const;
    /// Nothing when all pages are taken.
    std::optional<placement> place(const runner_profile& p, const signature& s);
    /// Gives a slot back. The page that belongs to nobody from now on, if there is one: the slot's own where its cohort has
    /// others. The last page of a cohort stays its own while there is room, since machines tend to become again what they
    /// were; then it is the page of the cohort that is empty for the longest.
    std::optional<std::uint32_t> vacate(std::uint32_t slot);
    /// The page of the cohort that is empty for the longest; nothing if none is.
    std::optional<std::uint32_t> give_up_spare();

    const cohort& of_page(std::uint32_t page) const { return cohorts_.at(page_owner_[page]); }
    /// The cohorts of which some runner may satisfy a requirement, and whether they differ in that.
    template <class Visit>
    void judge(const requirement& r, Visit&& visit) const {
        const auto answer = facets_.judge(r);
        for (std::size_t w = 0; w < answer.all.size(); ++w)
            for (std::uint64_t rest = answer.all[w] | answer.mixed[w]; rest; rest &= rest - 1) {
                const auto bit = static_cast<std::size_t>(std::countr_zero(rest));
                visit(cohorts_.at(static_cast<std::uint32_t>(w * 64 + bit)), (answer.mixed[w] >> bit & 1) != 0);
            }
    }
    /// Slots of the page that are taken, by runners or by claims left behind.
    std::uint64_t taken(std::uint32_t page) const noexcept { return taken_[page]; }
    std::uint32_t n_pages() const noexcept { return n_pages_; }      // highest ever used + 1
    std::uint32_t n_cohorts() const noexcept { return n_cohorts_; }  // the same

    /// Of the places of each runner, how many are given away first; with fewer than five it is all of them. The others:
    /// when nothing else is free, or reserved for urgent jobs.
    void set_usual_share(double share, bool reserved);

    /// Some of them are not in the signature, as they have many values.
    bool has_open(const label_map& labels) const;

    /// Counts the labels of a runner, so that labels with many values are found.
    void count_labels(const label_map* labels, int change);

private:
    std::uint16_t usual_of(std::uint16_t places) const noexcept;
    bool is_open(const std::string& label) const { return open_.contains(label); }
    void publish(std::uint32_t id, const cohort& c) noexcept;
    std::optional<std::uint32_t> take_page();
    void free_page(cohort& c, std::uint32_t page);

    std::uint16_t zone_of(const runner_profile& p) const;

    slot_index& index_;
    zone_board& zones_;
    double usual_share_ = 1;
    bool reserved_ = false;
    cohort_facets facets_;
    std::map<signature, std::uint32_t> by_signature_;
    std::unordered_map<std::uint32_t, cohort> cohorts_;
    std::list<std::uint32_t> spares_;  // cohorts without runners, each with one page; the longest empty first
    std::vector<std::uint32_t> free_pages_, free_cohorts_;
    std::vector<std::uint32_t> page_owner_;
    std::vector<std::uint64_t> taken_;
    std::vector<std::uint8_t>
        turn_;  // where the next search for a free slot begins: slots are reused as late as possible
    std::uint32_t n_pages_ = 0, n_cohorts_ = 0;
    std::size_t labelled_ = 0;
    std::map<std::string, std::map<std::string, std::uint32_t>, std::less<>> label_values_;
    std::set<std::string, std::less<>> open_;
};

}  // namespace sigrun
