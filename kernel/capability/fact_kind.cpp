#include "kernel/capability/fact_kind.hpp"

#include <boost/unordered/unordered_flat_set.hpp>
#include <xxhash.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <mutex>
#include <new>
#include <utility>

namespace sigrun {
namespace {

constexpr std::array<std::string_view, 6> k_packed_methods{"", "read", "derived", "measured", "declared", "assumed"};

std::uint8_t method_of(std::string_view word) noexcept {
    const auto at = std::find(k_packed_methods.begin(), k_methods.end(), word);
    return at == k_packed_methods.end() ? 0 : static_cast<std::uint8_t>(at - k_methods.begin());
}

}  // namespace

class fact_kind_pool {
public:
    static fact_kind_pool& instance() {
        static auto* const pool = new fact_kind_pool;  // sheets may outlive any other static
        return *pool;
    }

    const fact_kind* take(const fact& f) {
        const auto hash = hash_of(f);
        std::lock_guard lock(mutex_);
        const auto at = all_.find(probe{&f, hash});
        if (at != all_.end()) {
            (*at)->users_.fetch_add(1, std::memory_order_relaxed);
            return *at;
        }
        const fact_kind* made = make(f, hash);
        all_.insert(made);
        bytes_ += made->bytes();
        return made;
    }
    void give_back(const fact_kind* kind) noexcept {
        auto users = kind->users_.load(std::memory_order_relaxed);
        while (users > 1)
            if (kind->users_.compare_exchange_weak(users, users - 1, std::memory_order_acq_rel)) return;
        // The last one ends it where nobody can find it meanwhile.
        std::lock_guard lock(mutex_);
        if (kind->users_.fetch_sub(1, std::memory_order_acq_rel) > 1) return;
        all_.erase(kind);
        bytes_ -= kind->bytes();
        kind->~fact_kind();
        ::operator delete(const_cast<fact_kind*>(kind));
    }
    fact_kind_usage usage() {
        std::lock_guard lock(mutex_);
        return {all_.size(), bytes_ + all_.bucket_count() * (sizeof(void*) + 1)};
    }

private:
    struct probe {
        const fact* f;
        std::uint64_t hash;
    };
    struct hasher {
        using is_transparent = void;
        using is_avalanching = void;
        std::size_t operator()(const fact_kind* k) const noexcept { return k->hash_; }
        std::size_t operator()(const probe& p) const noexcept { return p.hash; }
    };
    struct equals {
        using is_transparent = void;
        bool operator()(const fact_kind* a, const fact_kind* b) const noexcept { return a == b; }
        bool operator()(const probe& p, const fact_kind* k) const noexcept { return same(*k, *p.f); }
        bool operator()(const fact_kind* k, const probe& p) const noexcept { return same(*k, *p.f); }
    };

    static bool same(const fact_kind& k, const fact& f) noexcept {
        return k.key() == f.key && k.status_ == f.status && k.volatility_ == f.volatility && k.unique_ == f.unique &&
               k.confidence_ == f.confidence && k.ttl_s_ == f.ttl_s && k.method_ == method_of(f.method) &&
               k.source() == f.source && k.detail() == f.detail;
    }
    static std::uint64_t hash_of(const fact& f) {
        const std::uint32_t numbers[] = {f.ttl_s,
                                         static_cast<std::uint32_t>(f.status),
                                         static_cast<std::uint32_t>(f.volatility),
                                         f.unique,
                                         f.confidence,
                                         method_of(f.method)};
        std::uint64_t hash = XXH3_64bits(numbers, sizeof numbers);
        for (const std::string* text : {&f.key, &f.source, &f.detail})
            hash = XXH3_64bits_withSeed(text->data(), text->size(), hash);
        return hash;
    }
    static const fact_kind* make(const fact& f, std::uint64_t hash) {
        auto* k = new (::operator new(sizeof(fact_kind) + f.key.size() + f.source.size() + f.detail.size())) fact_kind;
        k->hash_ = hash;
        k->ttl_s_ = f.ttl_s;
        k->key_ = static_cast<std::uint16_t>(f.key.size());
        k->source_ = static_cast<std::uint16_t>(f.source.size());
        k->detail_ = static_cast<std::uint16_t>(f.detail.size());
        k->method_ = method_of(f.method);
        k->confidence_ = f.confidence;
        k->status_ = f.status;
        k->volatility_ = f.volatility;
        k->unique_ = f.unique;
        char* to = reinterpret_cast<char*>(k + 1);
        for (const std::string* text : {&f.key, &f.source, &f.detail}) to = std::copy(text->begin(), text->end(), to);
        return k;
    }

    std::mutex mutex_;
    boost::unordered_flat_set<const fact_kind*, hasher, equals> all_;
    std::size_t bytes_ = 0;
};

std::string_view fact_kind::method() const noexcept { return k_packed_methods[method_]; }
bool fact_kind::assumed() const noexcept { return method() == "assumed"; }

fact_kind_ref::fact_kind_ref(const fact& f) : kind_(fact_kind_pool::instance().take(f)) {}
fact_kind_ref::fact_kind_ref(const fact_kind_ref& other) noexcept : kind_(other.kind_) {
    if (kind_) kind_->users_.fetch_add(1, std::memory_order_relaxed);
}
fact_kind_ref::~fact_kind_ref() {
    if (kind_) fact_kind_pool::instance().give_back(kind_);
}

fact_kind_usage interned_kinds() { return fact_kind_pool::instance().usage(); }

}  // namespace sigrun
