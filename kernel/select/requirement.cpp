#include "kernel/select/requirement.hpp"

#include "kernel/select/evaluate.hpp"
#include "kernel/select/lexer.hpp"
#include "kernel/select/parser.hpp"
#include "kernel/select/requirement_impl.hpp"

#include <xxhash.h>

#include <algorithm>
#include <utility>

namespace sigrun {
namespace {

const std::vector<std::string> k_none;

bool valid_utf8(std::string_view t) noexcept {
    for (std::size_t i = 0; i < t.size();) {
        const auto lead = static_cast<unsigned char>(t[i]);
        const std::size_t n = lead < 0x80         ? 1
                              : (lead >> 5) == 6  ? 2
                              : (lead >> 4) == 14 ? 3
                              : (lead >> 3) == 30 ? 4
                                                  : 0;
        if (!n || i + n > t.size() || lead == 0xc0 || lead == 0xc1 || lead > 0xf4) return false;
        for (std::size_t k = 1; k < n; ++k)
            if ((static_cast<unsigned char>(t[i + k]) & 0xc0u) != 0x80u) return false;
        const auto second = n > 1 ? static_cast<unsigned char>(t[i + 1]) : 0;
        if ((lead == 0xe0 && second < 0xa0) || (lead == 0xed && second > 0x9f) || (lead == 0xf0 && second < 0x90) ||
            (lead == 0xf4 && second > 0x8f))
            return false;
        i += n;
    }
    return true;
}

}  // namespace

requirement::requirement(std::unique_ptr<impl> i) : impl_(std::move(i)) {}
requirement::~requirement() = default;

result<requirement_ptr> requirement::compile(std::string_view text) {
    if (text.size() > expr::k_max_text)
        return problem{errc::too_large, "the expression is too long", "requires", "at most 4096 bytes",
                       std::to_string(text.size()) + " bytes"};
    if (!valid_utf8(text) || text.find('\0') != std::string_view::npos)
        return problem{errc::invalid, "wrong value", "requires", "UTF-8 text without zero bytes", "other bytes"};
    SIGRUN_TRY(parsed, expr::parse(text));

    auto made = std::make_unique<impl>();
    made->e = std::move(parsed);
    const expr::expression& e = made->e;
    made->text = text;
    made->canonical = expr::print(e, e.root);
    made->keys = expr::keys(e, e.root);
    const XXH128_hash_t hash = XXH3_128bits(made->canonical.data(), made->canonical.size());
    made->key = {hash.high64, hash.low64};
    if (!e.empty) {
        const expr::node& root = e.nodes[e.root];
        if (root.what == expr::node::kind::both)
            made->term_nodes.assign(e.links.begin() + root.first, e.links.begin() + root.first + root.count);
        else
            made->term_nodes.push_back(e.root);
    }
    for (std::uint32_t n : made->term_nodes) {
        const expr::node& node = e.nodes[n];
        made->terms.push_back(
            {std::string(text.substr(node.begin, node.end - node.begin)), expr::column_of(text, node.begin)});
        made->term_keys.push_back(expr::keys(e, n));
        made->term_labels.push_back(expr::labels(e, n));
    }
    return requirement_ptr(new requirement(std::move(made)));
}

truth requirement::matches(const match_subject& subject) const noexcept {
    match_scope scope;
    return matches(subject, scope);
}
truth requirement::matches(const match_subject& subject, match_scope& scope) const noexcept {
    return expr::evaluate(impl_->e, impl_->e.root, subject, scope);
}
const std::string& requirement::text() const noexcept { return impl_->text; }
const std::string& requirement::canonical() const noexcept { return impl_->canonical; }
std::array<std::uint64_t, 2> requirement::key() const noexcept { return impl_->key; }
const std::vector<requirement::term>& requirement::terms() const noexcept { return impl_->terms; }
truth requirement::term_matches(std::size_t i, const match_subject& subject) const noexcept {
    match_scope scope;
    return term_matches(i, subject, scope);
}
truth requirement::term_matches(std::size_t i, const match_subject& subject, match_scope& scope) const noexcept {
    if (i >= impl_->term_nodes.size()) return truth::unknown;
    return expr::evaluate(impl_->e, impl_->term_nodes[i], subject, scope);
}
const std::vector<std::string>& requirement::term_keys(std::size_t i) const noexcept {
    return i < impl_->term_keys.size() ? impl_->term_keys[i] : k_none;
}
const std::vector<std::string>& requirement::term_labels(std::size_t i) const noexcept {
    return i < impl_->term_labels.size() ? impl_->term_labels[i] : k_none;
}
const std::vector<std::string>& requirement::keys() const noexcept { return impl_->keys; }

}  // namespace sigrun
