// Files of declared facts, as people write them.
#include "declaration.hpp"
#include "schema.hpp"

#include <boost/json.hpp>

#include <cstdint>
#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace sigrun::local;
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    for (const auto& file : {parse_ini(text), parse_json(text)}) {
        // A mistake refuses the whole file, and says what was expected and found.
        if (file.wrong && (!file.facts.empty() || file.wrong->expected.empty() || file.wrong->found.empty()))
            std::abort();
        if (file.facts.size() > k_max_facts_of_file) std::abort();
        for (const auto& fact : file.facts) {
            boost::system::error_code ec;
            boost::json::parse(fact.value, ec);
            if (ec || check_key(fact.key) || fact.key.size() > 256) std::abort();
        }
    }
    (void)parse_time(text);
    if (nearest_key(text).size() > 64) std::abort();
    return 0;
}
