// Answers of clouds' metadata services: the first byte chooses the provider and the question.
#include "cloud_service.hpp"

#include <cstdint>
#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace sigrun::virt;
    if (size == 0) return 0;
    constexpr std::string_view k_providers[] = {"aws",          "gcp",       "azure", "hetzner",
                                                "digitalocean", "openstack", "oracle"};
    const auto* service = cloud_service_of(k_providers[data[0] % std::size(k_providers)]);
    const std::string_view body(reinterpret_cast<const char*>(data) + 1, size - 1);
    cloud_facts facts;
    for (const auto& question : service->questions) question.understand(body, facts);
    for (const auto& text : {facts.instance_type, facts.region, facts.zone})
        if (text.size() > 96 || text != cloud_name(text)) std::abort();
    return 0;
}
