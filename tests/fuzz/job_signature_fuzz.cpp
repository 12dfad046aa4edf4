// An offer with a signature, as a controller that cannot be trusted sends it: what is taken out of it must be as it was signed. And
// the text of a key's file. The first byte of the input chooses.
#include "kernel/guard/ed25519.hpp"
#include "kernel/guard/job_trust.hpp"
#include "kernel/job/filled_in.hpp"

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

namespace {

using namespace sigrun;

// Only whoever has the key can make a signature that is right, and the fuzzer has not.
const ed25519_pair& key_of_fuzzer() {
    static const ed25519_pair pair = make_ed25519_pair().value();
    return pair;
}

void offered(std::string_view text) {
    const auto o = parse_object(text);
    if (!o) return;
    const auto written = as_written(*o);
    if (!written) return;
    const auto payload = payload_of(*written);
    if (!payload) return;
    if (const auto* field = written->if_contains("signature"))
        if (const auto read = parse_job_signature(*field))
            if (verify_job(*written, *payload, *read, key_of_fuzzer().public_pem)) std::abort();
    // Members in another order are the same document.
    json::object turned;
    for (auto it = written->end(); it != written->begin();) {
        --it;
        turned[it->key()] = it->value();
    }
    if (field_hashes(turned, *payload) != field_hashes(*written, *payload)) std::abort();
}

void key_file(std::string_view text) {
    const auto key = parse_trusted_key(text, "k.pub", k_job_scopes);
    if (key && key->id.size() != 16) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
    if (data[0] == 'k')
        key_file(text);
    else
        offered(text);
    return 0;
}
