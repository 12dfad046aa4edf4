#include "cloud_service.hpp"

#include <sigrun/cpp/sysroot.hpp>

#include <boost/json.hpp>

namespace sigrun::virt {
namespace {

namespace json = boost::json;

std::optional<json::object> object_of(std::string_view body) {
    boost::system::error_code ec;
    auto v = json::parse(json::string_view(body.data(), body.size()), ec);
    if (ec || !v.is_object()) return std::nullopt;
    return std::move(v.get_object());
}
std::string member(const json::object& o, std::string_view name) {
    const auto* v = o.if_contains(json::string_view(name.data(), name.size()));
    const auto* s = v ? v->if_string() : nullptr;
    return s ? cloud_name({s->data(), s->size()}) : std::string();
}
bool take(std::string_view body, std::string& to) {
    to = cloud_name(body);
    return !to.empty();
}
/// "projects/123/zones/europe-west1-b" -> "europe-west1-b".
std::string_view last_part(std::string_view path) {
    path = sdk::trimmed(path);
    return path.substr(path.rfind('/') + 1);
}

// The document also names the account; nothing of that is kept.
bool aws_identity(std::string_view body, cloud_facts& out) {
    const auto o = object_of(body);
    if (!o) return false;
    out.instance_type = member(*o, "instanceType");
    out.region = member(*o, "region");
    out.zone = member(*o, "availabilityZone");
    return !out.instance_type.empty();
}
bool aws_life_cycle(std::string_view body, cloud_facts& out) {
    body = sdk::trimmed(body);
    if (body == "spot") out.preemptible = true;
    if (body == "on-demand" || body == "scheduled" || body == "capacity-block") out.preemptible = false;
    return out.preemptible.has_value();
}
constexpr cloud_question k_aws[] = {{"/latest/dynamic/instance-identity/document", aws_identity},
                                    {"/latest/meta-data/instance-life-cycle", aws_life_cycle}};

bool gcp_type(std::string_view body, cloud_facts& out) { return take(last_part(body), out.instance_type); }
bool gcp_zone(std::string_view body, cloud_facts& out) {
    if (!take(last_part(body), out.zone)) return false;
    out.region = out.zone.substr(0, out.zone.rfind('-'));
    return true;
}
bool gcp_preemptible(std::string_view body, cloud_facts& out) {
    body = sdk::trimmed(body);
    if (body == "TRUE") out.preemptible = true;
    if (body == "FALSE") out.preemptible = false;
    return out.preemptible.has_value();
}
constexpr cloud_question k_gcp[] = {{"/computeMetadata/v1/instance/machine-type", gcp_type},
                                    {"/computeMetadata/v1/instance/zone", gcp_zone},
                                    {"/computeMetadata/v1/instance/scheduling/preemptible", gcp_preemptible}};

bool azure_compute(std::string_view body, cloud_facts& out) {
    const auto o = object_of(body);
    if (!o) return false;
    out.instance_type = member(*o, "vmSize");
    out.region = member(*o, "location");
    out.zone = member(*o, "zone");
    const auto* priority = o->if_contains("priority");
    if (const auto* text = priority ? priority->if_string() : nullptr)
        out.preemptible = *text == "Spot" || *text == "Low";
    return !out.instance_type.empty();
}
constexpr cloud_question k_azure[] = {{"/metadata/instance/compute?api-version=2021-02-01&format=json", azure_compute}};

bool plain_region(std::string_view body, cloud_facts& out) { return take(body, out.region); }
bool plain_zone(std::string_view body, cloud_facts& out) { return take(body, out.zone); }
bool plain_type(std::string_view body, cloud_facts& out) { return take(body, out.instance_type); }
constexpr cloud_question k_hetzner[] = {{"/hetzner/v1/metadata/region", plain_region},
                                        {"/hetzner/v1/metadata/availability-zone", plain_zone}};
constexpr cloud_question k_digitalocean[] = {{"/metadata/v1/region", plain_region}};

bool openstack_document(std::string_view body, cloud_facts& out) {
    const auto o = object_of(body);
    if (!o) return false;
    out.zone = member(*o, "availability_zone");
    return !out.zone.empty();
}
constexpr cloud_question k_openstack[] = {{"/openstack/latest/meta_data.json", openstack_document},
                                          {"/latest/meta-data/instance-type", plain_type}};

bool oracle_instance(std::string_view body, cloud_facts& out) {
    const auto o = object_of(body);
    if (!o) return false;
    out.instance_type = member(*o, "shape");
    out.region = member(*o, "canonicalRegionName");
    out.zone = member(*o, "availabilityDomain");
    return !out.instance_type.empty();
}
constexpr cloud_question k_oracle[] = {{"/opc/v2/instance/", oracle_instance}};

constexpr cloud_service k_services[] = {
    {"aws", "", "", "/latest/api/token", "X-aws-ec2-metadata-token-ttl-seconds", "X-aws-ec2-metadata-token", k_aws},
    {"gcp", "Metadata-Flavor", "Google", "", "", "", k_gcp},
    {"azure", "Metadata", "true", "", "", "", k_azure},
    {"hetzner", "", "", "", "", "", k_hetzner},
    {"digitalocean", "", "", "", "", "", k_digitalocean},
    {"openstack", "", "", "", "", "", k_openstack},
    {"oracle", "Authorization", "Bearer Oracle", "", "", "", k_oracle}};

}  // namespace

std::string cloud_name(std::string_view text) {
    constexpr std::size_t k_longest = 96;
    text = sdk::trimmed(text);
    const bool plain = text.size() <= k_longest && std::all_of(text.begin(), text.end(), [](char c) {
                           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                                  c == '-' || c == '_' || c == '.' || c == ':';
                       });
    return plain ? std::string(text) : std::string();
}

const cloud_service* cloud_service_of(std::string_view provider) noexcept {
    for (const auto& s : k_services)
        if (s.provider == provider) return &s;
    return nullptr;
}

}  // namespace sigrun::virt
